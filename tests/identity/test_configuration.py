"""The variables of identity: wrong and missing ones, and the addresses to listen on."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from contracts.process.environment import ConfigurationError, load
from gateway.http.server import listener
from gateway.identity import tokens
from gateway.identity.bearer import BearerAuthentication, EitherVerifier
from gateway.identity.certificates import CertificateAuthentication
from gateway.identity.configuration import check_exposure, guard_of
from gateway.identity.guard import Guard
from gateway.settings import Settings
from tests.identity.guarded import rights_of, rule
from tests.identity.issuers import AUDIENCE, ISSUER, Issuer, key_set

TOKEN = tokens.new_token()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Valid files by their variables."""
    rights_of(tmp_path, rule("ci"))
    (tmp_path / "tokens").write_text(tokens.line_of(TOKEN, "ci", None))
    (tmp_path / "keys.json").write_bytes(key_set(Issuer()))
    (tmp_path / "broken").write_text(TOKEN)
    return {
        "PLT_AUTH_RIGHTS": f"{tmp_path}/rights.json",
        "PLT_AUTH_TOKENS": f"{tmp_path}/tokens",
        "PLT_JWT_JWKS": f"{tmp_path}/keys.json",
        "PLT_JWT_ISSUER": ISSUER,
        "PLT_JWT_AUDIENCE": AUDIENCE,
        "BROKEN": f"{tmp_path}/broken",
    }


def guard(**variables: str) -> Guard:
    settings = load(Settings, {"PLT_AMQP_URL": "amqp://broker.test/", **variables})
    return guard_of(settings, lambda *_: None)


def chosen(files: dict[str, str], *names: str) -> dict[str, str]:
    return {name: files[name] for name in names}


RIGHTS, TOKENS = "PLT_AUTH_RIGHTS", "PLT_AUTH_TOKENS"
JWT = ("PLT_JWT_ISSUER", "PLT_JWT_AUDIENCE", "PLT_JWT_JWKS")


async def test_every_kind_of_authentication_can_be_configured(files: dict[str, str]) -> None:
    by = {
        auth: guard(PLT_AUTH=auth, **chosen(files, *names))._authentication
        for auth, names in {
            "none": (),
            "token": (RIGHTS, TOKENS),
            "jwt": (RIGHTS, *JWT),
            "token,jwt": (RIGHTS, TOKENS, *JWT),
        }.items()
    }

    assert isinstance(by["none"], CertificateAuthentication)
    assert all(isinstance(by[auth], BearerAuthentication) for auth in ("token", "jwt"))
    both = by["token,jwt"]
    assert isinstance(both, BearerAuthentication)
    assert isinstance(both._verifier, EitherVerifier)


async def test_both_kinds_of_tokens_are_accepted_side_by_side(tmp_path: Path) -> None:
    issuer = Issuer()
    rights_of(tmp_path, rule("ci"))
    (tmp_path / "keys.json").write_bytes(key_set(issuer))
    (tmp_path / "tokens").write_text(tokens.line_of(TOKEN, "ci", None))
    both = guard(
        PLT_AUTH="token,jwt",
        PLT_AUTH_RIGHTS=f"{tmp_path}/rights.json",
        PLT_AUTH_TOKENS=f"{tmp_path}/tokens",
        PLT_JWT_JWKS=f"{tmp_path}/keys.json",
        PLT_JWT_ISSUER=ISSUER,
        PLT_JWT_AUDIENCE=AUDIENCE,
    )._authentication
    assert isinstance(both, BearerAuthentication)

    for token in (TOKEN, issuer.token()):
        scope = {"headers": [(b"authorization", f"Bearer {token}".encode())]}
        assert (await both.authenticate(scope)).name == "ci"  # type: ignore[arg-type]  # a part of a scope


WRONG: list[tuple[str, dict[str, str], tuple[str, ...], str]] = [
    ("basic", {}, (), "PLT_AUTH='basic': expected none, token, jwt or token,jwt"),
    ("token", {}, (RIGHTS,), "PLT_AUTH_TOKENS is not set: expected the file with the hashes"),
    ("token", {}, (TOKENS,), "PLT_AUTH_RIGHTS is not set: expected the file with the rights"),
    ("jwt", {}, (RIGHTS, *JWT[1:]), "PLT_JWT_ISSUER is not set: expected the claim iss"),
    ("jwt", {}, (RIGHTS, JWT[0], JWT[2]), "PLT_JWT_AUDIENCE is not set: expected the claim aud"),
    ("jwt", {}, (RIGHTS, *JWT[:2]), "PLT_JWT_JWKS is not set: expected an https URL or a file"),
    ("none", {}, (RIGHTS,), "PLT_AUTH=none: expected token or jwt, or PLT_TLS_CLIENT_CA, because"),
    ("none", {}, (TOKENS,), "PLT_AUTH=none: expected token, because PLT_AUTH_TOKENS is set"),
    ("token", {}, (RIGHTS, TOKENS, JWT[2]), "PLT_AUTH=token: expected jwt, because PLT_JWT_JWKS"),
    ("token", {TOKENS: "/no/such"}, (RIGHTS,), "PLT_AUTH_TOKENS='/no/such': expected a readable"),
    ("token", {TOKENS: "BROKEN"}, (RIGHTS,), "line 1: expected SUBJECT EXPIRES sha256"),
    ("token", {RIGHTS: "BROKEN"}, (TOKENS,), "expected JSON: "),
    ("jwt", {JWT[2]: "BROKEN"}, (RIGHTS, *JWT[:2]), "expected a JSON Web Key Set"),
    ("jwt", {JWT[2]: "http://a.test/k"}, (RIGHTS, *JWT[:2]), "expected an https URL or a file"),
    ("jwt", {JWT[2]: "https://"}, (RIGHTS, *JWT[:2]), "expected an https URL or a file"),
    ("jwt", {JWT[2]: "https://a:pw@b.test/"}, (RIGHTS, *JWT[:2]), "PLT_JWT_JWKS=(not shown): "),
    ("jwt", {JWT[2]: "https://a.test:99999/"}, (RIGHTS, *JWT[:2]), "expected an https URL"),
    ("jwt", {JWT[2]: "https://a.test/", "PLT_JWT_JWKS_CA": "/no/such"}, (RIGHTS, *JWT[:2]),
     "PLT_JWT_JWKS_CA='/no/such': expected a readable file"),
    ("jwt", {JWT[2]: "https://a.test/", "PLT_JWT_JWKS_TOKEN_FILE": "/no/such"},
     (RIGHTS, *JWT[:2]), "PLT_JWT_JWKS_TOKEN_FILE='/no/such': expected a readable file"),
    ("jwt", {"PLT_JWT_LEEWAY_SECONDS": "3600"}, (RIGHTS, *JWT), "expected seconds from 0 to 300"),
    ("none", {"PLT_ALLOW_ANONYMOUS": "perhaps"}, (), "expected true or false"),
    ("none", {"PLT_TRUSTED_PROXIES": "proxy"}, (), "expected addresses and networks such as"),
]  # fmt: skip


@pytest.mark.parametrize(("auth", "more", "names", "message"), WRONG, ids=lambda value: str(value))
def test_a_wrong_variable_is_named(
    files: dict[str, str],
    auth: str,
    more: dict[str, str],
    names: tuple[str, ...],
    message: str,
) -> None:
    given = {name: files.get(value, value) for name, value in more.items()}

    with pytest.raises(ConfigurationError) as raised:
        guard(PLT_AUTH=auth, **given, **chosen(files, *names))

    assert message in str(raised.value)
    assert all(name in str(raised.value) for name in more)
    assert TOKEN not in str(raised.value)
    assert "pw@" not in str(raised.value)


def test_all_missing_variables_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as raised:
        guard(PLT_AUTH="token,jwt")

    names = [line.partition(" ")[0] for line in str(raised.value).splitlines()]
    assert names == [TOKENS, *JWT, RIGHTS]


Listen = Callable[[str], socket.socket]


@pytest.fixture
def listening() -> Iterator[Listen]:
    """Return a function that listens on any port of a host."""
    with ExitStack() as opened:
        yield lambda host: opened.enter_context(listener(host, 0))


def settings_of(host: str, **more: object) -> Settings:
    settings = load(Settings, {"PLT_AMQP_URL": "amqp://broker.test/", "PLT_HOST": host})
    return msgspec.structs.replace(settings, **more)


LOOPBACK = ["127.0.0.1", "127.0.0.2", "localhost", "::1"]


@pytest.mark.parametrize("host", LOOPBACK)
def test_without_authentication_a_loopback_address_is_listened_on(
    listening: Listen, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    check_exposure(settings_of(host), listening(host))

    assert not caplog.records


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_without_authentication_no_other_address_is_listened_on(
    listening: Listen, host: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        check_exposure(settings_of(host), listening(host))

    assert str(raised.value) == (
        f"PLT_HOST={host}: expected a loopback address, because clients are not authenticated: set "
        "PLT_AUTH, PLT_TLS_CLIENT_CA or PLT_ALLOW_ANONYMOUS=true"
    )


@pytest.mark.parametrize("more", [{"auth": "token"}, {"auth": "jwt"}, {"tls_client_ca": "ca.crt"}])
def test_with_authentication_every_address_is_listened_on(
    listening: Listen, caplog: pytest.LogCaptureFixture, more: dict[str, str]
) -> None:
    check_exposure(settings_of("0.0.0.0", **more), listening("0.0.0.0"))

    assert not caplog.records


def test_anonymous_clients_of_other_machines_must_be_allowed_and_are_logged(
    listening: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    check_exposure(settings_of("0.0.0.0", allow_anonymous=True), listening("0.0.0.0"))

    assert "every client that reaches 0.0.0.0 may send every command" in caplog.text
