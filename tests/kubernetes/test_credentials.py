"""Configuration errors, and credential files that are replaced while a worker runs."""

import base64
import os
import ssl
from pathlib import Path

import pytest
import trustme

from contracts import api
from contracts.faults import Code, Fault
from contracts.process.environment import ConfigurationError
from tests.calls import ample
from tests.kubernetes.scripted import Scripted, answer
from worker.providers import PROVIDERS, k8s
from worker.providers.k8s.api.credentials import Token, Trust
from worker.providers.k8s.provider import KubernetesProvider
from worker.providers.k8s.settings import Settings


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("PLT_K8S_TOKEN_PATH", "/nowhere/token", "PLT_K8S_TOKEN_PATH='/nowhere/token': expected"),
        ("PLT_K8S_TOKEN_PATH", "/", "PLT_K8S_TOKEN_PATH='/': expected a readable file"),
        ("PLT_K8S_TOKEN_PATH", "/dev/null", "the file has no token"),
        ("PLT_K8S_CA_PATH", "/nowhere/ca.crt", "PLT_K8S_CA_PATH='/nowhere/ca.crt': expected"),
        ("PLT_K8S_CA_PATH", "/dev/null", "PLT_K8S_CA_PATH='/dev/null': expected"),
        ("PLT_K8S_AUTH_TYPE", "magic", "='magic': expected token, client-cert or none"),
        ("PLT_K8S_REST_API_URL", "kubernetes", "PLT_K8S_REST_API_URL='kubernetes': expected a URL"),
        ("PLT_K8S_REST_API_URL", "https://x:port", "PLT_K8S_REST_API_URL"),
        ("PLT_K8S_REST_API_URL", "https://me:word@x", "=(not shown): expected a URL"),
        ("PLT_K8S_REST_API_URL", "https://x/?a=b", "without user and query"),
        ("PLT_K8S_TLS_SERVER_NAME", "a name", "expected the host name in the server's"),
        ("PLT_K8S_ALLOW_SELFSIGNED_CERT", "perhaps", "='perhaps': expected true or false"),
        ("PLT_K8S_CONCURRENCY", "0", "PLT_K8S_CONCURRENCY='0': expected a whole number"),
        ("PLT_K8S_AUTH_TYPE", "client-cert", "PLT_K8S_CLIENT_CERT is not set: expected PEM"),
    ],
)
async def test_a_configuration_error_has_the_variable_the_value_and_the_expectation(
    environment, variable, value, expected
):
    with pytest.raises(ConfigurationError) as raised:
        async with k8s.open_provider(environment | {variable: value}):
            pass

    assert expected in str(raised.value)


@pytest.mark.parametrize("wrong", ["not base64!", base64.b64encode(b"no pem").decode()])
async def test_a_wrong_client_key_is_never_shown(environment, cluster, wrong):
    certificate, _ = cluster.client_certificate("worker")
    client = {
        "PLT_K8S_AUTH_TYPE": "client-cert",
        "PLT_K8S_CLIENT_CERT": encoded(certificate),
        "PLT_K8S_CLIENT_KEY": wrong,
    }

    with pytest.raises(ConfigurationError, match=r"PLT_K8S_CLIENT_KEY=\(not shown\)") as raised:
        async with k8s.open_provider(environment | client):
            pass

    assert wrong not in str(raised.value)


async def test_a_key_of_another_certificate_is_refused(environment, cluster):
    certificate, _ = cluster.client_certificate("worker")
    _, key = cluster.client_certificate("another-user")
    client = {
        "PLT_K8S_AUTH_TYPE": "client-cert",
        "PLT_K8S_CLIENT_CERT": encoded(certificate),
        "PLT_K8S_CLIENT_KEY": encoded(key),
    }

    with pytest.raises(ConfigurationError, match=r"CERT=\(.* and PLT_K8S_CLIENT_KEY="):
        async with k8s.open_provider(environment | client):
            pass


async def test_a_client_certificate_is_sufficient(environment, cluster):
    certificate, key = cluster.client_certificate("worker", ("system:masters",))
    client = {
        "PLT_K8S_AUTH_TYPE": "client-cert",
        "PLT_K8S_CLIENT_CERT": encoded(certificate),
        "PLT_K8S_CLIENT_KEY": encoded(key),
        "PLT_K8S_TOKEN_PATH": "/nowhere/token",
    }

    async with PROVIDERS["k8s"](environment | client) as provider:
        assert isinstance(provider, KubernetesProvider)
        assert await provider.get_machines(api.GetMachines("default"), ample()) == []


async def test_a_server_with_a_certificate_of_another_ca_is_unreachable(
    environment, cluster, tmp_path
):
    other = tmp_path / "other.crt"
    trustme.CA().cert_pem.write_to_path(other)

    async with k8s.open_provider(environment | {"PLT_K8S_CA_PATH": str(other)}) as provider:
        with pytest.raises(Fault, match="cannot be reached") as raised:
            await provider.get_machines(api.GetMachines("default"), ample())

    assert raised.value.code is Code.PLATFORM_UNREACHABLE
    assert len(cluster.calls) == 0


async def test_no_ca_file_is_needed_if_self_signed_certificates_are_allowed(environment):
    trusting = {"PLT_K8S_ALLOW_SELFSIGNED_CERT": "true", "PLT_K8S_CA_PATH": "/nowhere/ca.crt"}

    async with k8s.open_provider(environment | trusting) as provider:
        assert await provider.get_machines(api.GetMachines("default"), ample()) == []


async def test_the_process_environments_proxies_are_ignored(environment, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    async with k8s.open_provider(environment) as provider:
        assert await provider.get_machines(api.GetMachines("default"), ample()) == []


async def test_a_rotated_token_costs_at_most_one_retry(provider, cluster):
    await provider.get_machines(api.GetMachines("default"), ample())
    cluster.calls.clear()
    cluster.rotate_token()

    assert await provider.get_machines(api.GetMachines("default"), ample()) == []
    assert [each.status for each in cluster.calls] in ([401, 200], [200])


def test_a_changed_token_file_is_read_again(tmp_path):
    file = tmp_path / "token"
    file.write_text("first\n")
    token = Token(str(file), interval_s=0)
    assert token.text() == "first"

    replacement = tmp_path / "new"
    replacement.write_text("second")
    replacement.replace(file)

    assert token.text() == "second"


def test_a_token_file_is_not_checked_again_within_the_interval(tmp_path):
    file = tmp_path / "token"
    file.write_text("first")
    token = Token(str(file), interval_s=3600)
    file.write_text("second")

    assert token.text() == "first"
    token.renew()
    assert token.text() == "second"


@pytest.mark.parametrize("wrong", ["", "two words", "a\r\nX-Header: b", "ünicode"])
def test_an_invalid_token_file_keeps_the_former_token(tmp_path, wrong, caplog):
    file = tmp_path / "token"
    file.write_text("first")
    token = Token(str(file), interval_s=0)
    file.write_text(wrong)
    os.utime(file, (1, 1))

    assert token.text() == "first"
    assert "keeping the former token" in caplog.text


def test_a_deleted_token_file_keeps_the_former_token(tmp_path):
    file = tmp_path / "token"
    file.write_text("first")
    token = Token(str(file), interval_s=0)
    file.unlink()

    assert token.text() == "first"


def test_a_ca_added_to_the_file_becomes_trusted(tmp_path):
    file = tmp_path / "ca.crt"
    trustme.CA(organization_name="first").cert_pem.write_to_path(file)
    trust = Trust(Settings(k8s_ca_path=str(file)), interval_s=0)
    assert isinstance(trust.context, ssl.SSLContext)
    assert len(trust.context.get_ca_certs()) == 1

    trustme.CA(organization_name="second").cert_pem.write_to_path(file)
    trust.refresh()
    assert len(trust.context.get_ca_certs()) == 2

    file.write_text("half a certificate")
    trust.refresh()
    assert len(trust.context.get_ca_certs()) == 2


async def test_a_path_in_the_configured_url_is_a_prefix_of_every_request(tmp_path):
    server = Scripted(answer({"metadata": {}, "items": []}))
    url = "http://rancher.test/k8s/clusters/c-1/"

    async with server.client(tmp_path, k8s_rest_api_url=url) as client:
        provider = KubernetesProvider(client)
        await provider.get_machines(api.GetMachines("default"), ample())

    assert server.asked == ["GET /k8s/clusters/c-1/api/v1/namespaces/default/pods?limit=500"]
