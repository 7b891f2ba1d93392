"""The user of a kubeconfig's context: a token or a client certificate, or why neither will do."""

from dataclasses import dataclass, field
from pathlib import Path

from deploy.failed import Failed
from deploy.kubeconfig.cluster import PEM_START
from deploy.kubeconfig.document import Document, Entry

CERTIFICATE, KEY = "client-certificate", "client-key"
REFUSED = {
    "exec": "a program makes its credentials, and workers run none",
    "auth-provider": "kubectl renews its credentials, and workers cannot",
    "username": "API servers no longer take passwords",
    "password": "API servers no longer take passwords",
    "as": "it acts as somebody else, and workers do not",
}


@dataclass(frozen=True)
class Certificate:
    """PEM, both of it."""

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class User:
    """Who the workers are: by a client certificate, a token or a file with one."""

    name: str
    credentials: Certificate | Path | str = field(repr=False)


def read(document: Document, name: str, way_out: str) -> User:
    """The user of this name; a refusal ends with the way to one that will do."""
    entry = document.entry("users", "user", name)
    for key, reason in REFUSED.items():
        if entry.has(key):
            raise Failed(f"{entry.place}: {key}: {reason}: {way_out}")
    # As API servers have it, a certificate counts more than a token.
    if any(entry.has(f"{key}{form}") for key in (CERTIFICATE, KEY) for form in ("", "-data")):
        return User(name, Certificate(_pem(entry, CERTIFICATE), _pem(entry, KEY)))
    token = entry.file("tokenFile") or entry.text("token")
    if token is None:
        raise Failed(f"{entry.place}: neither a token nor a client certificate: {way_out}")
    _check_token(entry, token)
    return User(name, token)


def _pem(entry: Entry, key: str) -> bytes:
    pem = entry.content(key)
    if pem is None or PEM_START not in pem:
        raise Failed(
            f"{entry.place}: {key}: expected PEM in the file that it names, or in base64 as "
            f"{key}-data (values are not shown)"
        )
    return pem


def _check_token(entry: Entry, token: Path | str) -> None:
    key = "tokenFile" if isinstance(token, Path) else "token"
    text = token.read_text(errors="replace") if isinstance(token, Path) else token
    if not text.strip().isascii() or len(text.split()) != 1:
        raise Failed(f"{entry.place}: {key}: expected one word of ASCII (the value is not shown)")
