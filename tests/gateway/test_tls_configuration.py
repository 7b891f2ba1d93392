"""Wrong certificates and keys are reported with variable and path, an expired one is a warning."""

import logging
import subprocess
from collections.abc import Callable

import pytest
import trustme

from contracts.process.environment import ConfigurationError, load
from gateway.http.server import OnRawPath
from gateway.settings import Settings
from gateway.tls.certificates import Files, contexts
from tests.files import replace
from tests.gateway.certificates import HOST, Pki
from tests.gateway.echo import Echo
from tests.gateway.served import exchange, request, serving, status_of


@pytest.fixture
def pki(tmp_path):
    return Pki(tmp_path)


def complaint(files: Files) -> str:
    with pytest.raises(ConfigurationError) as raised:
        contexts(files)
    return str(raised.value)


def test_without_variables_there_is_no_tls():
    assert contexts(Files("", "")) is None


@pytest.mark.parametrize(
    ("files", "missing"),
    [
        (Files("/tls.crt", ""), "PLT_TLS_KEY"),
        (Files("", "/tls.key"), "PLT_TLS_CERT"),
        (Files("", "", "/ca.crt"), "PLT_TLS_CERT"),
    ],
)
def test_a_certificate_needs_a_key_and_a_client_ca_needs_both(files, missing):
    assert complaint(files) == (
        f"{missing} is not set: expected the path of a file in PEM, because TLS needs PLT_TLS_CERT "
        "and PLT_TLS_KEY"
    )


def encrypt(pki: Pki) -> None:
    command = ["openssl", "pkey", "-in", str(pki.key), "-aes256", "-passout", "pass:canary"]
    encrypted = subprocess.run(command, capture_output=True, check=True).stdout
    replace(pki.key, encrypted)


def make_folder(pki: Pki) -> None:
    pki.client_ca.unlink()
    pki.client_ca.mkdir()


def swap_key(pki: Pki) -> None:
    replace(pki.key, trustme.CA().issue_cert(HOST).private_key_pem.bytes())


BROKEN: dict[str, tuple[Callable[[Pki], object], str, str]] = {
    "no certificate file": (lambda p: p.cert.unlink(), "PLT_TLS_CERT", "No such file"),
    "a key as certificate": (
        lambda p: replace(p.cert, p.key.read_bytes()), "PLT_TLS_CERT", "certificates in PEM"
    ),
    "half a certificate": (
        lambda p: replace(p.cert, p.cert.read_bytes()[:300]), "PLT_TLS_CERT", "certificates in PEM"
    ),
    "no key file": (lambda p: p.key.unlink(), "PLT_TLS_KEY", "No such file"),
    "no key": (lambda p: replace(p.key, "canary"), "PLT_TLS_KEY", "the unencrypted key, in PEM"),
    "another key": (swap_key, "PLT_TLS_KEY", "KEY_VALUES_MISMATCH"),
    "an encrypted key": (encrypt, "PLT_TLS_KEY", "the unencrypted key, in PEM"),
    "no CA file": (lambda p: p.client_ca.unlink(), "PLT_TLS_CLIENT_CA", "No such file"),
    "no CA": (lambda p: replace(p.client_ca, "canary"), "PLT_TLS_CLIENT_CA", "certificates in PEM"),
    "a folder": (make_folder, "PLT_TLS_CLIENT_CA", "Is a directory"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_wrong_file_is_reported_with_variable_and_path_and_without_content(pki, name):
    break_, variable, reason = BROKEN[name]
    break_(pki)
    files = pki.files(mutual=True)
    paths = {
        "PLT_TLS_CERT": files.cert,
        "PLT_TLS_KEY": files.key,
        "PLT_TLS_CLIENT_CA": files.client_ca,
    }

    message = complaint(files)

    assert message.startswith(f"{variable}={paths[variable]!r}: expected ")
    assert reason in message
    assert "canary" not in message
    assert "BEGIN" not in message


def test_the_content_of_a_key_instead_of_its_path_is_not_shown(pki):
    key = pki.key.read_text()

    message = complaint(Files(str(pki.cert), key))

    assert message.startswith("PLT_TLS_KEY=(not shown): expected a file that can be read")
    assert not set(key.split()) & set(message.split())


@pytest.mark.parametrize("days", [-1, 30])
async def test_only_an_expired_certificate_is_a_warning_and_still_served(pki, caplog, days):
    pki.renew(days)
    client = pki.client()
    client.check_hostname, client.verify_mode = False, 0

    async with serving(OnRawPath(Echo()), tls=pki.contexts()) as (port, _):
        answer = await exchange(port, request(b"GET / HTTP/1.1"), tls=client)

    warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert status_of(answer) == 200
    assert [f"PLT_TLS_CERT='{pki.cert}': the certificate is not valid" in each.message
            for each in warnings] == [True] * (days < 0)  # fmt: skip


def test_the_settings_of_a_gateway_name_the_files():
    named = {"PLT_TLS_CERT": "c", "PLT_TLS_KEY": "k", "PLT_TLS_CLIENT_CA": "a"}

    settings = load(Settings, {"PLT_AMQP_URL": "amqp://broker.test/", **named})

    assert settings.tls_files() == Files("c", "k", "a")
