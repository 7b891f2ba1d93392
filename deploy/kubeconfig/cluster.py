"""The cluster of a kubeconfig's context: where its API server is, and how to know it."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import certifi

from contracts.environment import ConfigurationError
from deploy.failed import Failed
from deploy.kubeconfig.document import Document, Entry
from worker.providers.k8s.api.proxies import checked

PEM_START = b"-----BEGIN"
SYSTEM = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where Go, and so kubectl, looks for the CAs of the machine."""


@dataclass(frozen=True)
class Cluster:
    """An API server; `authority` holds the CAs that it is known by, or names their file."""

    name: str
    url: str
    authority: Path | bytes
    insecure: bool
    server_name: str | None = None
    # There may be a password in it.
    proxy: str | None = field(default=None, repr=False)


def read(document: Document, name: str, *, has_certificate: bool) -> Cluster:
    """Return the cluster of this name; `has_certificate` says whether its user has one."""
    entry = document.entry("clusters", "cluster", name)
    insecure = entry.flag("insecure-skip-tls-verify")
    has_authority = any(entry.has(f"certificate-authority{form}") for form in ("", "-data"))
    if insecure and has_authority:
        raise Failed(
            f"{entry.place}: insecure-skip-tls-verify beside a certificate-authority: expected one "
            "of them, and the authority is the safe one"
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
    """Return the URL of the server; where it names no scheme, kubectl chooses this one."""
    expected = "expected a URL such as https://host:6443"
    server = entry.text("server")
    if server is None:
        raise Failed(f"{entry.place}: no server: {expected}")
    try:
        parts = urlsplit(server if "://" in server else f"{scheme}://{server}")
        web = parts.scheme in ("http", "https")
        complete = web and parts.hostname and parts.port != 0 and len(server.split()) == 1
    except ValueError:
        complete = False
    if "://" not in server and complete:
        complete = parts.path in ("", "/")
    # Not shown: such a URL may hold a password.
    if not complete or parts.username is not None:
        raise Failed(f"{entry.place}: server: {expected}, without a user")
    return parts._replace(query="", fragment="").geturl().rstrip("/")


def _proxy(entry: Entry) -> str | None:
    proxy = entry.text("proxy-url")
    if proxy is None:
        return None
    try:
        return checked("proxy-url", proxy)
    except ConfigurationError as error:
        raise Failed(f"{entry.place}: {error}") from None


def _authority(entry: Entry) -> Path | bytes:
    data = entry.data("certificate-authority-data")
    if data is not None:
        _check(data, f"{entry.place}: certificate-authority-data")
        return data
    path = entry.file("certificate-authority")
    if path is None:
        return _public_authorities()
    _check(path.read_bytes(), f"{entry.place}: certificate-authority: {path}")
    return path


def _public_authorities() -> Path:
    """Return the CAs of this machine, by which kubectl knows a server without a CA of its own."""
    named = os.environ.get("SSL_CERT_FILE")
    found = (path for path in map(Path, [*filter(None, [named]), *SYSTEM]) if path.is_file())
    return next(found, Path(certifi.where()))


def _check(pem: bytes, place: str) -> None:
    if PEM_START not in pem:
        raise Failed(f"{place}: expected PEM certificates, -----BEGIN CERTIFICATE-----")
