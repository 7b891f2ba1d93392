"""The cluster of a kubeconfig's context: the URL of its API server, CAs and proxy."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import certifi

from contracts.process.environment import ConfigurationError, Secret
from deploy.failed import Failed
from deploy.kubeconfig.document import Document, Entry
from worker.providers.k8s.api.proxies import checked

PEM_START = b"-----BEGIN"
SYSTEM_CAS = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Files with the machine's CAs, in the order of Go's crypto/x509, which kubectl uses."""


@dataclass(frozen=True)
class Cluster:
    """An API server. `authority` contains its CAs, or is the path of their file."""

    name: str
    url: str
    authority: Path | bytes
    insecure: bool
    server_name: str | None = None
    # May contain a password.
    proxy: str | None = field(default=None, repr=False)


def read(document: Document, name: str, *, has_certificate: bool) -> Cluster:
    """Return the cluster of this name. `has_certificate` is true if its user has a certificate."""
    entry = document.entry("clusters", "cluster", name)
    insecure = entry.flag("insecure-skip-tls-verify")
    has_authority = any(entry.has(f"certificate-authority{form}") for form in ("", "-data"))
    if insecure and has_authority:
        raise Failed(
            f"{entry.location}: insecure-skip-tls-verify beside a certificate-authority: expected "
            "one of them, and the authority is the safe one"
        )
    return Cluster(
        name,
        _url(entry, "https" if has_authority or insecure or has_certificate else "http"),
        _authority(entry),
        insecure,
        entry.text("tls-server-name"),
        _proxy(entry),
    )


def _url(entry: Entry, scheme: str) -> str:
    """Return the URL of the server. Like kubectl, use `scheme` if the server has none."""
    expected = "expected a URL such as https://host:6443"
    server = entry.text("server")
    if server is None:
        raise Failed(f"{entry.location}: no server: {expected}")
    try:
        parts = urlsplit(server if "://" in server else f"{scheme}://{server}")
        web = parts.scheme in ("http", "https")
        complete = web and parts.hostname and parts.port != 0 and len(server.split()) == 1
    except ValueError:
        complete = False
    if "://" not in server and complete:
        complete = parts.path in ("", "/")
    # The URL is not shown, because it may contain a password.
    if not complete or parts.username is not None:
        raise Failed(f"{entry.location}: server: {expected}, without a user")
    return parts._replace(query="", fragment="").geturl().rstrip("/")


def _proxy(entry: Entry) -> str | None:
    proxy = entry.text("proxy-url")
    if proxy is None:
        return None
    try:
        return checked(Secret(proxy, "proxy-url"))
    except ConfigurationError as error:
        raise Failed(f"{entry.location}: {error}") from None


def _authority(entry: Entry) -> Path | bytes:
    data = entry.data("certificate-authority-data")
    if data is not None:
        _check(data, f"{entry.location}: certificate-authority-data")
        return data
    path = entry.file("certificate-authority")
    if path is None:
        return _public_authorities()
    _check(path.read_bytes(), f"{entry.location}: certificate-authority: {path}")
    return path


def _public_authorities() -> Path:
    """Return the CAs of this machine, with which kubectl verifies a server without its own CA."""
    named = os.environ.get("SSL_CERT_FILE")
    found = (path for path in map(Path, [*filter(None, [named]), *SYSTEM_CAS]) if path.is_file())
    return next(found, Path(certifi.where()))


def _check(pem: bytes, location: str) -> None:
    if PEM_START not in pem:
        raise Failed(f"{location}: expected PEM certificates, -----BEGIN CERTIFICATE-----")
