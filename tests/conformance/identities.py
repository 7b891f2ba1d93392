"""The kinds of identity: the variables of a gateway, and the credentials of its clients."""

import json
import ssl
from dataclasses import dataclass
from pathlib import Path

from gateway.identity import tokens
from tests.gateway.certificates import Pki
from tests.identity.guarded import rule
from tests.identity.issuers import AUDIENCE, ISSUER, Issuer, key_set

RULES = [
    rule("every", providers=["*"], scopes=["*"]),
    rule("few", classes=["read"], providers=["k8s"], scopes=["default"]),
]


@dataclass(frozen=True)
class Identity:
    """The variables of a gateway, and the credentials of its two clients."""

    variables: dict[str, str]
    token: str | None = None
    """The token of the test, which has every right."""
    tls: ssl.SSLContext | None = None
    options: tuple[str, ...] = ()
    """The options of schemathesis: its own credentials."""


def anonymous(folder: Path) -> Identity:
    return Identity({})


def every_right(folder: Path) -> Identity:
    return _by_token(folder, "every")


def few_rights(folder: Path) -> Identity:
    return _by_token(folder, "few")


def wrong_token(folder: Path) -> Identity:
    return _by_token(folder, None)


def json_web_token(folder: Path) -> Identity:
    issuer = Issuer()
    (folder / "keys.json").write_bytes(key_set(issuer))
    variables = {
        "PLT_AUTH": "jwt",
        "PLT_JWT_JWKS": f"{folder}/keys.json",
        "PLT_JWT_ISSUER": ISSUER,
        "PLT_JWT_AUDIENCE": AUDIENCE,
    }
    token = issuer.token("every")
    return Identity(variables | _rights(folder), token, options=_bearer(token))


def certificate(folder: Path) -> Identity:
    pki = Pki(folder)
    files = pki.files(mutual=True)
    leaf = pki.clients.issue_cert("icc.example", common_name="every")
    leaf.private_key_and_cert_chain_pem.write_to_path(folder / "client.pem")
    pki.servers.cert_pem.write_to_path(folder / "servers.pem")
    variables = {
        "PLT_TLS_CERT": files.cert,
        "PLT_TLS_KEY": files.key,
        "PLT_TLS_CLIENT_CA": files.client_ca,
    }
    trusted = ("--tls-verify", f"{folder}/servers.pem")
    own = ("--request-cert", f"{folder}/client.pem")
    return Identity(variables | _rights(folder), tls=pki.client(leaf), options=trusted + own)


def _by_token(folder: Path, subject: str | None) -> Identity:
    """Return a client with a token of a subject; the gateway does not know a token of None."""
    own, sent = tokens.new_token(), tokens.new_token()
    subjects = {own: "every"} | ({} if subject is None else {sent: subject})
    lines = [tokens.line_of(token, name, None) for token, name in subjects.items()]
    (folder / "tokens").write_text("\n".join(lines))
    variables = {"PLT_AUTH": "token", "PLT_AUTH_TOKENS": f"{folder}/tokens"}
    return Identity(variables | _rights(folder), own, options=_bearer(sent))


def _bearer(token: str) -> tuple[str, ...]:
    return "--header", f"Authorization: Bearer {token}"


def _rights(folder: Path) -> dict[str, str]:
    (folder / "rights.json").write_text(json.dumps({"rules": RULES}))
    return {"PLT_AUTH_RIGHTS": f"{folder}/rights.json"}
