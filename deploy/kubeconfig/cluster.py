"""The cluster of a kubeconfig's context: where its API server is, and how to know it."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import certifi

from deploy.failed import Failed
from deploy.kubeconfig.document import Document, Entry
from worker.providers.k8s.proxies import proxy_of

PEM_START = b"-----BEGIN"


@dataclass(frozen=True)
class Cluster:
    """An API server; `authority` holds the CAs that it is known by, or names their file."""

    name: str
    url: str
    authority: Path | bytes
    insecure: bool
    # The variables that lead through the file's proxy; there may be a password in them.
    proxy: Mapping[str, str] = field(repr=False)


def read(document: Document, name: str) -> Cluster:
    entry = document.entry("clusters", "cluster", name)
    parts = _url(entry)
    _refuse_another_name(entry, parts)
    insecure = entry.flag("insecure-skip-tls-verify")
    if insecure and (entry.has("certificate-authority") or entry.has("certificate-authority-data")):
        raise Failed(
            f"{entry.place}: insecure-skip-tls-verify beside a certificate-authority: expected one "
            "of them, and the authority is the safe one"
        )
    url = parts.geturl().rstrip("/")
    return Cluster(name, url, _authority(entry), insecure, _proxy(entry, url))


def _url(entry: Entry) -> SplitResult:
    expected = "expected a URL such as https://host:6443"
    server = entry.text("server")
    if server is None:
        raise Failed(f"{entry.place}: no server: {expected}")
    try:
        parts = urlsplit(server)
        web = parts.scheme in ("http", "https")
        complete = web and parts.hostname and parts.port != 0 and len(server.split()) == 1
    except ValueError:
        complete = False
    # Not shown: such a URL may hold a password.
    if not complete or parts.username is not None or parts.query or parts.fragment:
        raise Failed(f"{entry.place}: server: {expected}, without user, query and fragment")
    return parts


def _refuse_another_name(entry: Entry, parts: SplitResult) -> None:
    name = entry.text("tls-server-name")
    if name not in (None, parts.hostname):
        raise Failed(
            f"{entry.place}: tls-server-name: workers know a server by the host of its URL alone: "
            f"expected a server URL with the host {name} (an entry in /etc/hosts can lead there)"
        )


def _proxy(entry: Entry, url: str) -> dict[str, str]:
    proxy = entry.text("proxy-url")
    if proxy is None:
        return {}
    scheme = url.partition(":")[0].upper()
    variables = {f"{scheme}_PROXY": proxy, "NO_PROXY": "", "no_proxy": ""}
    if not proxy.startswith(("http://", "https://")):
        raise Failed(f"{entry.place}: proxy-url: expected a URL such as http://host:3128")
    if proxy_of(url, variables) is None:
        raise Failed(f"{entry.place}: proxy-url: workers go to this machine itself without one")
    return variables


def _authority(entry: Entry) -> Path | bytes:
    data = entry.data("certificate-authority-data")
    if data is not None:
        _check(data, f"{entry.place}: certificate-authority-data")
        return data
    path = entry.file("certificate-authority")
    if path is None:
        # As kubectl does it: a server without an authority of its own has a public one.
        return Path(ssl.get_default_verify_paths().cafile or certifi.where())
    _check(path.read_bytes(), f"{entry.place}: certificate-authority: {path}")
    return path


def _check(pem: bytes, place: str) -> None:
    if PEM_START not in pem:
        raise Failed(f"{place}: expected PEM certificates, -----BEGIN CERTIFICATE-----")
