"""The TLS context of the gateway's port, made again when one of its files changes.

Each change makes a new context, which new connections use. The tickets of a former context are not
valid any more, so that no session resumes with the certificate of a client CA that was removed.
"""

import logging
import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from msgspec import Struct

from contracts.process.environment import ConfigurationError, shown_path
from contracts.process.renewal import CHECK_INTERVAL_S, Renewed

log = logging.getLogger(__name__)

Contexts = Renewed[ssl.SSLContext]

CERT = "PLT_TLS_CERT"
KEY = "PLT_TLS_KEY"
CLIENT_CA = "PLT_TLS_CLIENT_CA"


class Files(Struct, frozen=True):
    """The paths of a certificate with its issuers, its key, and the CAs of clients, all in PEM.

    An empty `client_ca` means that clients need no certificate.
    """

    cert: str
    key: str
    client_ca: str = ""


def contexts(files: Files, interval_s: float = CHECK_INTERVAL_S) -> Contexts | None:
    """Return the contexts for new connections, None without TLS; raises ConfigurationError."""
    paths = [path for path in (files.cert, files.key, files.client_ca) if path]
    if not paths:
        return None
    for name, path in ((CERT, files.cert), (KEY, files.key)):
        if not path:
            raise ConfigurationError(
                f"{name} is not set: expected the path of a file in PEM, because TLS needs {CERT} "
                f"and {KEY}"
            )
    return Renewed(lambda: _context(files), paths, interval_s)


def validity(path: str) -> tuple[datetime, datetime]:
    """Return begin and end of the validity of the certificate in a file of PLT_TLS_CERT."""
    first = _certificates(CERT, path)[0]
    return first.not_valid_before_utc, first.not_valid_after_utc


def _context(files: Files) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    first = _certificates(CERT, files.cert)[0]
    _load_key(context, files)
    if files.client_ca:
        _certificates(CLIENT_CA, files.client_ca)
        context.load_verify_locations(cafile=files.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
        # A certificate in the file is trusted even if it is not self-signed.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    _report(first, files.cert)
    return context


def _certificates(name: str, path: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_content(name, path))
    except ValueError as error:
        raise _wrong(name, path, f"expected certificates in PEM: {error}") from error


def _load_key(context: ssl.SSLContext, files: Files) -> None:
    _content(KEY, files.key)
    try:
        # The password is given because OpenSSL would ask for the one of an encrypted key.
        context.load_cert_chain(files.cert, files.key, password="")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        expected = f"expected the unencrypted key, in PEM, of the certificate in {CERT}"
        raise _wrong(KEY, files.key, f"{expected}={shown_path(files.cert)}: {reason}") from error


def _content(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        expected = f"expected a file that can be read: {error.strerror}"
        raise _wrong(name, path, expected) from error


def _report(certificate: x509.Certificate, path: str) -> None:
    """Log the validity of the certificate; clients refuse an expired one."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    is_valid = begin <= datetime.now(UTC) <= end
    log.log(
        logging.INFO if is_valid else logging.WARNING,
        "%s=%s: the certificate %s valid, from %s to %s",
        CERT,
        shown_path(path),
        "is" if is_valid else "is not",
        begin.isoformat(),
        end.isoformat(),
    )


def _wrong(name: str, path: str, expected: str) -> ConfigurationError:
    return ConfigurationError(f"{name}={shown_path(path)}: {expected}")
