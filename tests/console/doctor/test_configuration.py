"""Findings about the variables of a gateway."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from contracts.process.environment import Secret
from gateway.console.doctor.configuration import findings, key_names, of_issuer, settings_in
from gateway.console.doctor.finding import Finding, Severity
from gateway.identity import tokens
from gateway.settings import Settings
from tests.console.doctor.builders import checks, only
from tests.gateway.certificates import Pki
from tests.identity.guarded import rights_of, rule
from tests.identity.issuers import AUDIENCE, ISSUER, Issuer, key_set
from tests.identity.key_server import KeyServer

URL = {"PLT_AMQP_URL": "amqp://gateway:canary@rabbitmq-1/"}


def valid(variables: dict[str, str]) -> Settings:
    """Return the settings in an environment in which a gateway starts."""
    settings, wrong = settings_in(URL | variables)
    assert settings is not None, wrong
    return settings


def of(variables: dict[str, str], now: datetime | None = None) -> list[Finding]:
    """Return the findings about an environment in which a gateway starts."""
    return list(findings(valid(variables), now or datetime.now(UTC)))


def wrong(**variables: str) -> Sequence[Finding]:
    """Return the findings about an environment in which a gateway does not start."""
    settings, found = settings_in(URL | variables)
    assert settings is None
    return found


def with_tokens(folder: Path, *lines: str) -> dict[str, str]:
    """Return the variables of a gateway with these lines in the file of tokens."""
    rights_of(folder, rule("ci"))
    file = folder / "tokens"
    file.write_text("\n".join(lines))
    return {
        "PLT_AUTH": "token",
        "PLT_AUTH_TOKENS": str(file),
        "PLT_AUTH_RIGHTS": f"{folder}/rights.json",
    }


def token(subject: str, expires: datetime | None) -> str:
    """Return a line of the file of tokens."""
    return tokens.line_of(tokens.new_token(), subject, expires)


def test_the_defaults_have_no_findings():
    assert of({}) == []


def test_each_wrong_variable_is_a_finding_that_names_it():
    port, tls = wrong(PLT_PORT="x", PLT_AUTH="jwt1")

    assert port.check == tls.check == "configuration"
    assert "PLT_PORT='x': expected a port from 0 to 65535" in port.what
    assert port.remedy.startswith("Set PLT_PORT to what is expected")


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"PLT_AUTH": "token", "PLT_AUTH_TOKENS": "/no/file"}, "PLT_AUTH_RIGHTS"),
        ({"PLT_TLS_CERT": "/no/file"}, "PLT_TLS_KEY"),
        ({"PLT_SEAL_KEY": "canary"}, "PLT_SEAL_KEY"),
        ({"PLT_SEAL_KEY": base64.b64encode(b"short").decode()}, "PLT_SEAL_KEY"),
        ({"PLT_PROVIDERS": "k8s,Status"}, "PLT_PROVIDERS"),
        ({"PLT_TRUSTED_PROXIES": "10.0.0.0/99"}, "PLT_TRUSTED_PROXIES"),
    ],
)
def test_what_keeps_a_gateway_from_starting_is_an_error(variables, name):
    found = only(wrong(**variables))

    assert found.severity is Severity.ERROR
    assert found.what.startswith(name)
    assert "canary" not in str(found)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_anonymous_clients_of_this_machine_are_no_finding(host):
    assert of({"PLT_HOST": host}) == []


def test_anonymous_clients_of_other_machines_are_found():
    allowed = only(of({"PLT_HOST": "0.0.0.0", "PLT_ALLOW_ANONYMOUS": "true"}))
    refused = only(of({"PLT_HOST": "0.0.0.0"}))

    assert (allowed.check, allowed.severity) == ("anonymous", Severity.WARNING)
    assert refused.severity is Severity.ERROR
    assert "does not start" in refused.meaning


def test_authenticated_clients_of_other_machines_are_no_finding(tmp_path):
    lasting = with_tokens(tmp_path, token("ci", None))
    pki = Pki(tmp_path)
    files = pki.files(mutual=True)
    tls = {"PLT_TLS_CERT": files.cert, "PLT_TLS_KEY": files.key}

    assert of({"PLT_HOST": "0.0.0.0"} | lasting) == []
    assert of({"PLT_HOST": "0.0.0.0", "PLT_TLS_CLIENT_CA": files.client_ca} | tls) == []


def test_only_the_last_token_of_a_subject_counts(tmp_path):
    now = datetime.now(UTC)
    variables = with_tokens(
        tmp_path,
        token("ci", now - timedelta(days=1)),
        token("ci", now + timedelta(days=60)),
        token("icc", now - timedelta(days=1)),
        token("cron", now + timedelta(days=3)),
    )

    soon, over = of(variables)

    assert (soon.check, soon.severity) == ("token-expires", Severity.WARNING)
    assert "last token of cron" in soon.what
    assert (over.check, over.severity) == ("token-expired", Severity.ERROR)
    assert over.remedy.splitlines()[0] == "machinist token new --subject icc --days 90"


def test_a_certificate_is_found_before_it_expires(tmp_path):
    pki = Pki(tmp_path)
    files = pki.files()
    variables = {"PLT_TLS_CERT": files.cert, "PLT_TLS_KEY": files.key}
    now = datetime.now(UTC)

    assert of(variables) == []
    soon = only(of(variables, now + timedelta(days=20)))
    over = only(of(variables, now + timedelta(days=31)))
    early = only(of(variables, now - timedelta(days=365 * 40)))

    assert checks([soon, over, early]) == ["certificate"] * 3
    assert [each.severity for each in (soon, over, early)] == [
        Severity.WARNING,
        Severity.ERROR,
        Severity.ERROR,
    ]
    assert "is not valid yet" in early.what


def test_the_names_of_invalid_keys_are_unknown():
    key = base64.b64encode(b"k" * 32).decode()

    assert len(key_names(Secret(key, "PLT_SEAL_KEY"))) == 1
    assert key_names(Secret("canary", "PLT_SEAL_KEY")) == []
    assert key_names(Secret()) == []


async def test_an_issuer_whose_keys_cannot_be_fetched_is_found(tmp_path):
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    (tmp_path / "token").write_text("canary-5b1f")
    rights_of(tmp_path, rule("ci"))
    server = KeyServer(authority, key_set(Issuer()))
    server.wanted_token = "canary-5b1f"
    async with server.serving():
        variables = {
            "PLT_AUTH": "jwt",
            "PLT_AUTH_RIGHTS": f"{tmp_path}/rights.json",
            "PLT_JWT_ISSUER": ISSUER,
            "PLT_JWT_AUDIENCE": AUDIENCE,
            "PLT_JWT_JWKS": server.url,
            "PLT_JWT_JWKS_CA": f"{tmp_path}/ca.crt",
        }
        with_token = {"PLT_JWT_JWKS_TOKEN_FILE": f"{tmp_path}/token"}

        unreadable = only(await of_issuer(valid(variables)))
        reached = await of_issuer(valid(variables | with_token))
    unreachable = only(await of_issuer(valid(variables | with_token)))

    assert reached == []
    assert f"PLT_JWT_JWKS={server.url}: expected the status 200, got 401" in unreadable.what
    assert unreachable.severity is Severity.ERROR
    assert unreachable.remedy.splitlines()[-1] == (
        f"curl --fail-with-body --cacert {tmp_path}/ca.crt {server.url} "
        f'--header "authorization: Bearer $(cat {tmp_path}/token)"'
    )


async def test_keys_in_a_file_are_not_fetched(tmp_path):
    assert await of_issuer(valid({})) == []
