"""The user of a kubeconfig's context: token, client certificate, or why workers cannot be it."""

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
REPLACED_BY_TOKEN = ("exec", "auth-provider")


@dataclass(frozen=True)
class Certificate:
    """PEM, both of it."""

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class User:
    """Who the workers are: a token or a file with one, a client certificate, both, or nobody."""

    name: str
    token: Path | str | None = field(default=None, repr=False)
    certificate: Certificate | None = field(default=None, repr=False)

    @property
    def is_anonymous(self) -> bool:
        """Whether the API server is told nothing, as behind `kubectl proxy`."""
        return self.token is None and self.certificate is None


def read(document: Document, name: str | None, way_out: str) -> User:
    """Return the user of this name; a refusal ends with the way to one that will do."""
    if name is None:
        return User("")
    entry = document.entry("users", "user", name)
    token = _token(entry)
    certificate = None
    # kubectl shows no certificate for a key alone.
    if any(entry.has(f"{CERTIFICATE}{form}") for form in ("", "-data")):
        certificate = Certificate(_pem(entry, CERTIFICATE), _pem(entry, KEY))
    for key, reason in REFUSED.items():
        # With a token kubectl runs no program for another one.
        if entry.has(key) and not (token is not None and key in REPLACED_BY_TOKEN):
            raise Failed(f"{entry.place}: {key}: {reason}: {way_out}")
    return User(name, token, certificate)


def _token(entry: Entry) -> Path | str | None:
    """Return the file with a token, or the token where there is no file that can be used."""
    token = entry.text("token")
    try:
        path = entry.file("tokenFile")
        if path is not None:
            _check_token(entry, path)
            return path
    except Failed:
        if token is None:
            raise
    if token is not None:
        _check_token(entry, token)
    return token


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
