"""Certificates of gateways and of their clients, in files that a test replaces."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from gateway.tls.certificates import Contexts, Files, contexts
from tests.files import replace

HOST = "127.0.0.1"


class Pki:
    """A CA for gateways and one for clients, with the files of a gateway."""

    def __init__(self, folder: Path) -> None:
        self.servers = trustme.CA(organization_name="servers")
        self.clients = trustme.CA(organization_name="clients")
        self.cert, self.key, self.client_ca = (
            folder / name for name in ("tls.crt", "tls.key", "ca.crt")
        )
        self.renew()
        self.trust_clients(self.clients)

    def renew(self, days: int = 30) -> bytes:
        """Write a new certificate and its key; return the certificate in DER."""
        leaf = self.servers.issue_cert(HOST, not_after=datetime.now(UTC) + timedelta(days=days))
        replace(self.key, leaf.private_key_pem.bytes())
        replace(self.cert, b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        return ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())

    def trust_clients(self, *authorities: trustme.CA) -> None:
        """Write the CAs of clients."""
        replace(self.client_ca, b"".join(each.cert_pem.bytes() for each in authorities))

    def files(self, *, mutual: bool = False) -> Files:
        """Return the paths of the gateway's files."""
        return Files(str(self.cert), str(self.key), str(self.client_ca) if mutual else "")

    def contexts(self, *, mutual: bool = False) -> Contexts:
        """Return the gateway's contexts, which are made again as soon as a file changes."""
        found = contexts(self.files(mutual=mutual), interval_s=0)
        assert found is not None
        return found

    def client(self, certificate: trustme.LeafCert | None = None) -> ssl.SSLContext:
        """Return the context of a client, with or without a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.servers.configure_trust(context)
        if certificate is not None:
            certificate.configure_cert(context)
        return context

    def admitted(self) -> ssl.SSLContext:
        """Return the context of a client with a certificate that the gateway accepts."""
        return self.client(self.clients.issue_cert("icc.example", common_name="icc"))
