"""The certificate of a client, as the ASGI TLS extension describes it to the application.

The extension is that of the ASGI specification, version 0.2, and `client_cert_sans` is an addition:
the subject alternative names (RFC 5280 §4.2.1.6), such as `URI:spiffe://…` and `DNS:…`.
"""

import ssl
from typing import Any

from cryptography import x509

EXTENSION = "asgi_tls_extension"
"""The name of the extension in `transport.get_extra_info`."""

VERSIONS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}

PREFIXES: dict[type[object], str] = {
    x509.DNSName: "DNS",
    x509.UniformResourceIdentifier: "URI",
    x509.RFC822Name: "email",
    x509.IPAddress: "IP",
}


def extension_of(tls: ssl.SSLObject) -> dict[str, Any]:
    """Return the extension after a handshake; ValueError for an unreadable certificate.

    `client_cert_name` is the subject as an RFC 4514 string, None without a certificate.
    """
    der = tls.getpeercert(binary_form=True)
    return {
        "server_cert": None,
        "client_cert_chain": (ssl.DER_cert_to_PEM_cert(der),) if der else (),
        **names(der),
        "client_cert_error": None,
        "tls_version": VERSIONS.get(tls.version() or ""),
        "cipher_suite": None,
    }


def names(der: bytes | None) -> dict[str, Any]:
    """Return subject and subject alternative names of a certificate, whose DER may be absent."""
    if der is None:
        return {"client_cert_name": None, "client_cert_sans": []}
    certificate = x509.load_der_x509_certificate(der)
    return {
        "client_cert_name": certificate.subject.rfc4514_string(),
        "client_cert_sans": _alternative_names(certificate),
    }


def _alternative_names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(str(error)) from error
    return [f"{PREFIXES[type(name)]}:{name.value}" for name in found if type(name) in PREFIXES]
