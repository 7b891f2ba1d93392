"""The names in a client certificate."""

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from gateway.tls.peer import names

KEY = ec.generate_private_key(ec.SECP256R1())
SPIFFE = "spiffe://example.org/ns/shop/sa/icc"


def certificate(subject: list[x509.NameAttribute[str]], *extensions: x509.ExtensionType) -> bytes:
    """Return a self-signed certificate in DER."""
    name, now = x509.Name(subject), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
    )
    for each in extensions:
        builder = builder.add_extension(each, critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def test_the_subject_is_an_rfc_4514_string():
    subject = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "a+b, c"),
        x509.NameAttribute(NameOID.COMMON_NAME, "#icc;x"),
    ]

    assert names(certificate(subject)) == {
        "client_cert_name": r"CN=\#icc\;x,O=a\+b\, c,C=DE",
        "client_cert_sans": [],
    }


def test_the_alternative_names_have_their_type_and_others_are_left_out():
    alternative = x509.SubjectAlternativeName(
        [
            x509.UniformResourceIdentifier(SPIFFE),
            x509.DNSName("icc.example"),
            x509.IPAddress(ipaddress.ip_address("fd00::1")),
            x509.RFC822Name("icc@example.org"),
            x509.RegisteredID(ObjectIdentifier("1.2.3")),
        ]
    )

    assert names(certificate([], alternative)) == {
        "client_cert_name": "",
        "client_cert_sans": [
            f"URI:{SPIFFE}",
            "DNS:icc.example",
            "IP:fd00::1",
            "email:icc@example.org",
        ],
    }


def test_an_absent_certificate_has_no_names():
    assert names(None) == {"client_cert_name": None, "client_cert_sans": []}


@pytest.mark.parametrize("broken", ["a GeneralName", "the certificate"])
def test_an_unreadable_certificate_is_an_error(broken):
    san = x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.17"), b"\x30\x03\x87\x01\x00")
    der = certificate([], san)

    with pytest.raises(ValueError, match=r"."):
        names(der if broken == "a GeneralName" else der[:100])
