"""A worker can connect to every API server that kubectl can: certificates, names, proxies."""

import base64
import ssl
from typing import Any

import pytest
import trustme
import uvloop

from contracts import api
from contracts.faults import Code, Fault
from contracts.process.environment import ConfigurationError
from tests.kubernetes.proxies import certified, proxy_to, socks_to
from worker.provider import Call
from worker.providers import k8s

FAR = "https://api.cluster.example:6443"
FAR_TLS = {"PLT_K8S_REST_API_URL": FAR, "PLT_K8S_TLS_SERVER_NAME": "localhost"}


async def machines(environment: dict[str, str]) -> list[str]:
    async with k8s.open_provider(environment) as provider:
        found = await provider.get_machines(api.GetMachines("default"), Call.within(10))
    return [machine.id for machine in found]


@pytest.fixture
def environment(environment, cluster):
    cluster.add_pod("web-1")
    return environment


@pytest.fixture
def intermediate():
    return trustme.CA().create_child_ca()


@pytest.mark.parametrize("trusted", ["the intermediate CA", "the server's own certificate"])
@pytest.mark.parametrize("http2", ["false", "true"])
async def test_a_ca_that_is_not_self_signed_is_trusted(
    environment, cluster, intermediate, tmp_path, trusted, http2
):
    leaf = intermediate.issue_cert("127.0.0.1")
    pem = intermediate.cert_pem if "CA" in trusted else leaf.cert_chain_pems[0]
    pem.write_to_path(tmp_path / "ca.crt")

    async with certified(cluster.url, cluster.trust(), leaf) as url:
        found = environment | {"PLT_K8S_REST_API_URL": url, "PLT_K8S_HTTP2": http2}
        assert await machines(found | {"PLT_K8S_CA_PATH": str(tmp_path / "ca.crt")}) == ["web-1"]


async def test_an_intermediate_ca_of_another_cluster_is_not_trusted(
    environment, cluster, intermediate, tmp_path
):
    intermediate.create_child_ca().cert_pem.write_to_path(tmp_path / "ca.crt")
    leaf = intermediate.issue_cert("127.0.0.1")

    async with certified(cluster.url, cluster.trust(), leaf) as url:
        found = environment | {"PLT_K8S_REST_API_URL": url}
        with pytest.raises(Fault, match="CERTIFICATE_VERIFY_FAILED"):
            await machines(found | {"PLT_K8S_CA_PATH": str(tmp_path / "ca.crt")})


@pytest.mark.parametrize("http2", ["false", "true"])
async def test_the_server_may_have_a_different_tls_name(environment, cluster, tmp_path, http2):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")

    async with certified(cluster.url, cluster.trust(), authority.issue_cert("api.internal")) as url:
        found = environment | {
            "PLT_K8S_REST_API_URL": url,
            "PLT_K8S_CA_PATH": str(tmp_path / "ca.crt"),
            "PLT_K8S_HTTP2": http2,
        }
        assert await machines(found | {"PLT_K8S_TLS_SERVER_NAME": "api.internal"}) == ["web-1"]
        for other in ({}, {"PLT_K8S_TLS_SERVER_NAME": "api.elsewhere"}):
            with pytest.raises(Fault, match="CERTIFICATE_VERIFY_FAILED"):
                await machines(found | other)


@pytest.mark.parametrize("http2", ["false", "true"])
async def test_the_tls_name_is_used_behind_a_proxy_too(environment, cluster, http2):
    async with proxy_to(cluster.url) as (proxy, asked):
        found = environment | FAR_TLS | {"PLT_K8S_PROXY_URL": proxy, "PLT_K8S_HTTP2": http2}
        assert await machines(found) == ["web-1"]

    assert asked == ["CONNECT api.cluster.example:6443 HTTP/1.1"]


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "SOCKS5"])
async def test_a_socks_proxy_resolves_the_host_of_the_server(environment, cluster, scheme):
    async with socks_to(cluster.url) as (port, asked):
        found = environment | FAR_TLS | {"HTTPS_PROXY": f"{scheme}://127.0.0.1:{port}"}
        assert await machines(found) == ["web-1"]

    assert asked == ["api.cluster.example:6443"]


async def test_a_socks_proxy_receives_an_ip_address_as_an_address(environment, cluster):
    async with socks_to(cluster.url) as (port, asked):
        found = environment | {"PLT_K8S_PROXY_URL": f"socks5://localhost:{port}"}
        assert await machines(found) == ["web-1"]

    assert asked == [f"7f000001:{cluster.url.rpartition(':')[2]}"]


async def test_a_socks_proxy_receives_user_and_password(environment, cluster):
    async with socks_to(cluster.url, login=("me@home", "p:w")) as (port, asked):
        proxy = f"socks5://me%40home:p%3Aw@127.0.0.1:{port}"
        assert await machines(environment | FAR_TLS | {"PLT_K8S_PROXY_URL": proxy}) == ["web-1"]

    assert len(asked) == 1


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a login that it does not know": ({"login": ("me", "other")}, "refused its user or password"),
    "no login": ({"login": ("me", "other")}, "expects another login"),
    "a host that it does not reach": ({"refusal": 4}, "host unreachable"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_refusal_by_a_socks_proxy_means_not_attempted(environment, cluster, name):
    how, expected = REFUSED[name]
    login = "" if name == "no login" else "me:s3cr3t@"
    async with socks_to(cluster.url, **how) as (port, _):
        proxy = f"socks5://{login}127.0.0.1:{port}"
        with pytest.raises(Fault, match=expected) as raised:
            await machines(environment | FAR_TLS | {"PLT_K8S_PROXY_URL": proxy})

    assert raised.value.code is Code.PLATFORM_UNREACHABLE
    assert "s3cr3t" not in raised.value.message


async def test_http2_with_a_socks_proxy_is_a_configuration_error(environment):
    found = environment | {"PLT_K8S_PROXY_URL": "socks5://u:s3cr3t@h", "PLT_K8S_HTTP2": "true"}
    with pytest.raises(ConfigurationError, match="PLT_K8S_HTTP2='true': expected false") as raised:
        await machines(found)

    assert "s3cr3t" not in str(raised.value)


def context_of(leaf: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


@pytest.mark.parametrize("http2", ["false", "true"])
async def test_an_https_proxy_is_verified_with_the_cas_of_the_cluster(
    environment, cluster, tmp_path, http2
):
    """kubectl also verifies a proxy with the cluster's CAs, and has no others."""
    authority = trustme.CA()
    both = tmp_path / "ca.crt"
    both.write_bytes(cluster.ca_path.read_bytes() + authority.cert_pem.bytes())
    found = environment | FAR_TLS | {"PLT_K8S_HTTP2": http2}

    context = context_of(authority.issue_cert("127.0.0.1"))
    async with proxy_to(cluster.url, tls=context) as (proxy, asked):
        with pytest.raises(Fault, match="cannot be reached"):
            await machines(found | {"PLT_K8S_PROXY_URL": proxy})
        found |= {"PLT_K8S_CA_PATH": str(both)}
        assert await machines(found | {"PLT_K8S_PROXY_URL": proxy}) == ["web-1"]

    assert asked == ["CONNECT api.cluster.example:6443 HTTP/1.1"]


def test_every_kind_of_proxy_works_on_uvloop(environment, cluster, tmp_path):
    authority = trustme.CA()
    both = tmp_path / "ca.crt"
    both.write_bytes(cluster.ca_path.read_bytes() + authority.cert_pem.bytes())
    found = environment | FAR_TLS | {"PLT_K8S_CA_PATH": str(both)}

    async def through_each() -> None:
        async with (
            socks_to(cluster.url) as (port, _),
            proxy_to(cluster.url) as (http, _),
            proxy_to(cluster.url, tls=context_of(authority.issue_cert("127.0.0.1"))) as (https, _),
        ):
            for proxy in (f"socks5://127.0.0.1:{port}", http, https):
                assert await machines(found | {"PLT_K8S_PROXY_URL": proxy}) == ["web-1"]

    uvloop.run(through_each())


async def test_the_configured_proxy_of_the_cluster_is_used_for_loopback_too(environment, cluster):
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "*"}
    async with proxy_to(cluster.url) as (proxy, asked):
        await machines(environment | nowhere | {"PLT_K8S_PROXY_URL": proxy})

    assert len(asked) == 1


async def test_no_credentials_are_sent_with_auth_type_none(environment, cluster):
    anonymous = {"PLT_K8S_AUTH_TYPE": "none", "PLT_K8S_TOKEN_PATH": "/nowhere"}
    with pytest.raises(Fault, match="system:anonymous") as raised:
        await machines(environment | anonymous)

    assert raised.value.code is Code.PLATFORM_FORBIDDEN


async def test_a_client_certificate_is_presented_beside_a_token(environment, cluster, tmp_path):
    """The API server checks the certificate before the token, and a proxy may require it."""
    pair = cluster.client_certificate("worker", ("system:masters",))
    certificate, key = (base64.b64encode(path.read_bytes()).decode() for path in pair)
    token = tmp_path / "token"
    token.write_text(cluster.restricted_token("nobody"))
    found = environment | {"PLT_K8S_TOKEN_PATH": str(token)}

    with pytest.raises(Fault, match="lacks the right"):
        await machines(found)
    shown = {"PLT_K8S_CLIENT_CERT": certificate, "PLT_K8S_CLIENT_KEY": key}
    assert await machines(found | shown) == ["web-1"]
