"""The user of a kubeconfig's context: a token, a client certificate, or a reason to refuse it."""

from dataclasses import dataclass, field
from pathlib import Path

from deploy.failed import Failed
from deploy.kubeconfig.cluster import PEM_START
from deploy.kubeconfig.document import Document, Entry

CERTIFICATE, KEY = "client-certificate", "client-key"
REFUSED = {
    "exec": "a program makes the credentials, and workers run no programs",
    "auth-provider": "kubectl renews the credentials, and workers cannot",
    "username": "API servers no longer take passwords",
    "password": "API servers no longer take passwords",
    "as": "workers do not impersonate other users",
}
REPLACED_BY_TOKEN = ("exec", "auth-provider")


@dataclass(frozen=True)
class Certificate:
    """A client certificate and its key in PEM."""

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class User:
    """The credentials of workers: a token or its file, a client certificate, both or neither."""

    name: str
    token: Path | str | None = field(default=None, repr=False)
    certificate: Certificate | None = field(default=None, repr=False)

    @property
    def is_anonymous(self) -> bool:
        """True without credentials, as behind `kubectl proxy`."""
        return self.token is None and self.certificate is None


def read(document: Document, name: str | None, advice: str) -> User:
    """Return the user of this name. `advice` ends the message of Failed for a refused user."""
    if name is None:
        return User("")
    entry = document.entry("users", "user", name)
    token = _token(entry)
    certificate = None
    # Like kubectl, ignore a key without a certificate.
    if any(entry.has(f"{CERTIFICATE}{form}") for form in ("", "-data")):
        certificate = Certificate(_pem(entry, CERTIFICATE), _pem(entry, KEY))
    for key, reason in REFUSED.items():
        # Like kubectl, prefer a token to a program or an auth provider.
        if entry.has(key) and not (token is not None and key in REPLACED_BY_TOKEN):
            raise Failed(f"{entry.location}: {key}: {reason}: {advice}")
    return User(name, token, certificate)


def _token(entry: Entry) -> Path | str | None:
    """Return the token file, or the token if there is no usable file."""
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
            f"{entry.location}: {key}: expected the path of a PEM file, or PEM in base64 as "
            f"{key}-data (values are not shown)"
        )
    return pem


def _check_token(entry: Entry, token: Path | str) -> None:
    key = "tokenFile" if isinstance(token, Path) else "token"
    text = token.read_text(errors="replace") if isinstance(token, Path) else token
    if not text.strip().isascii() or len(text.split()) != 1:
        raise Failed(f"{entry.location}: {key}: expected one word of ASCII (it is not shown)")
