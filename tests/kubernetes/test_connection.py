"""Connections to the API server: proxies, HTTP/2, broken connections, keepalive."""

import asyncio
import socket

import httpx
import pytest

from contracts import api
from contracts.faults import Code, Fault
from tests.kubernetes.proxies import proxy_to
from tests.stack import eventually
from worker.providers import k8s
from worker.providers.k8s.api import connection, errors

FAR = {
    "PLT_K8S_REST_API_URL": "https://api.cluster.example:6443",
    "PLT_K8S_ALLOW_SELFSIGNED_CERT": "true",
}


async def test_requests_go_through_the_proxy_of_the_environment(environment, cluster, call):
    cluster.add_pod("web-1")

    async with proxy_to(cluster.url) as (proxy, asked):
        far = environment | FAR | {"HTTPS_PROXY": proxy}
        async with k8s.open_provider(far) as provider:
            machine = await provider.get_machine(api.GetMachine("default", "web-1"), call())

    assert machine.id == "web-1"
    assert asked == ["CONNECT api.cluster.example:6443 HTTP/1.1"]


async def test_loopback_needs_no_proxy(environment, cluster, call):
    cluster.add_pod("web-1")
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}

    async with k8s.open_provider(environment | nowhere) as provider:
        await provider.get_machine(api.GetMachine("default", "web-1"), call())


@pytest.mark.parametrize("status", ["403 Forbidden", "502 Bad Gateway"])
async def test_a_refusal_by_a_proxy_means_not_attempted(environment, cluster, call, status):
    refusal = f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode()

    async with proxy_to(cluster.url, refusal) as (proxy, _):
        far = environment | FAR | {"HTTPS_PROXY": proxy}
        async with k8s.open_provider(far) as provider:
            with pytest.raises(Fault, match="cannot be reached") as raised:
                await provider.update_controller_replicas(
                    api.UpdateControllerReplicas("default", "web", 1, "Deployment"), call()
                )

    assert raised.value.code is Code.PLATFORM_UNREACHABLE
    assert "secret" not in raised.value.message


def test_a_proxys_refusal_is_distinguished_from_a_lost_response():
    fault = errors.of_connection(httpx.ProxyError("403 Forbidden"))

    assert (fault.code, fault.arrived) == (Code.PLATFORM_UNREACHABLE, False)


@pytest.mark.parametrize(("http2", "version"), [("true", "2"), ("false", "1.1")])
async def test_the_protocol_is_the_configured_one(environment, cluster, call, http2, version):
    cluster.add_pod("web-1")

    async with k8s.open_provider(environment | {"PLT_K8S_HTTP2": http2}) as provider:
        await provider.get_machine(api.GetMachine("default", "web-1"), call())

    assert {each.http_version for each in cluster.calls} == {version}


async def test_an_http2_goaway_fails_no_request(environment, cluster, call):
    cluster.add_deployment("web", replicas=1)
    cluster.faults.add(goaway=True, times=5)

    async with k8s.open_provider(environment | {"PLT_K8S_HTTP2": "true"}) as provider:
        for replicas in range(1, 6):
            scaled, _ = await asyncio.gather(
                provider.update_controller_replicas(
                    api.UpdateControllerReplicas("default", "web", replicas, "Deployment"), call()
                ),
                provider.get_machines(api.GetMachines("default"), call()),
            )
            assert scaled.replicas == replicas


@pytest.mark.parametrize("http2", ["true", "false"])
async def test_broken_connections_are_reopened(environment, cluster, call, http2):
    cluster.add_pod("web-1")

    async with k8s.open_provider(environment | {"PLT_K8S_HTTP2": http2}) as provider:
        for _ in range(3):
            await provider.get_machine(api.GetMachine("default", "web-1"), call())
            cluster.cut_connections()


async def test_many_requests_at_once_are_answered_over_http2(environment, cluster, call):
    for number in range(60):
        cluster.add_pod(f"p-{number}")

    async with k8s.open_provider(environment | {"PLT_K8S_HTTP2": "true"}) as provider:
        found = await asyncio.gather(
            *(
                provider.get_machine(api.GetMachine("default", f"p-{number}"), call())
                for number in range(60)
            )
        )

    assert len({machine.id for machine in found}) == 60


def test_keepalive_detects_a_vanished_peer():
    options = connection.socket_options()

    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in options
    assert (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20) in options


async def test_hanging_writes_do_not_block_reads(environment, cluster, call):
    cluster.add_deployment("web", replicas=1)
    cluster.faults.add(method="PATCH", delay=30, times=None)
    scaling = api.UpdateControllerReplicas("default", "web", 2, "Deployment")

    async with k8s.open_provider(environment | {"PLT_K8S_CONCURRENCY": "2"}) as provider:
        hanging = [
            asyncio.create_task(provider.update_controller_replicas(scaling, call()))
            for _ in range(3)
        ]
        await asyncio.to_thread(eventually, lambda: cluster.calls.count("PATCH") == 2)
        async with asyncio.timeout(60):
            assert len(await provider.get_machines(api.GetMachines("default"), call())) == 1
        for each in hanging:
            each.cancel()
        await asyncio.wait(hanging)
