"""The user of a kubeconfig's context: a token or a client certificate, or why neither will do."""

from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from deploy.failed import Failed
from deploy.kubeconfig.cluster import PEM_START
from deploy.kubeconfig.document import Document, Entry

PROGRAMS = {
    "exec": "a program makes its credentials, which workers have no right to run",
    "auth-provider": "kubectl itself renewed such credentials once, and no longer does",
    "username": "API servers no longer take passwords",
    "password": "API servers no longer take passwords",
    "as": "workers do not act as somebody else",
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


def read(document: Document, name: str, context: str, namespace: str) -> User:
    """The user of this name; a refusal says how `context` gets one with a token."""
    entry = document.entry("users", "user", name)
    for key, reason in PROGRAMS.items():
        if entry.has(key):
            way = _way_out(document.path, context, namespace)
            raise Failed(f"{entry.place}: {key}: {reason}: {way}")
    credentials = _certificate(entry) or entry.file("tokenFile") or entry.text("token")
    if credentials is None:
        way = _way_out(document.path, context, namespace)
        raise Failed(f"{entry.place}: neither a token nor a client certificate: {way}")
    if not isinstance(credentials, Certificate):
        _check_token(entry, credentials)
    return User(name, credentials)


def _certificate(entry: Entry) -> Certificate | None:
    """As API servers have it, a certificate counts more than a token."""
    certificate, key = entry.content("client-certificate"), entry.content("client-key")
    if certificate is None and key is None:
        return None
    for name, pem in (("client-certificate", certificate), ("client-key", key)):
        if pem is None or PEM_START not in pem:
            raise Failed(
                f"{entry.place}: {name}: expected PEM in a file, or in base64 as {name}-data "
                "(values are not shown)"
            )
    assert certificate is not None
    assert key is not None
    return Certificate(certificate, key)


def _check_token(entry: Entry, token: Path | str) -> None:
    key = "tokenFile" if isinstance(token, Path) else "token"
    text = token.read_text(errors="replace") if isinstance(token, Path) else token
    if not text.strip().isascii() or len(text.split()) != 1:
        raise Failed(f"{entry.place}: {key}: expected one word of ASCII (the value is not shown)")


def _way_out(file: Path, context: str, namespace: str) -> str:
    """The commands that give the cluster an account for machinist, and the file a user with it."""
    kubectl = f"kubectl --kubeconfig {quote(str(file))}"
    there = f"{kubectl} --context {quote(context)} --namespace {quote(namespace)}"
    token = f'"$({there} create token machinist --duration=24h)"'
    return (
        "expected a user with a token. To make one for a ServiceAccount with the rights that "
        "machinist needs:\n"
        f"  {there} apply -f deploy/kubernetes/rbac.yaml\n"
        f"  {kubectl} config set-credentials machinist --token={token}\n"
        f"  {kubectl} config set-context {quote(context)} --user=machinist"
    )
