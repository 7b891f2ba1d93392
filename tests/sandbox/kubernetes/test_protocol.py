"""Lifecycle and protocol: TLS, HTTP/2, compression, watches, threads, the command line."""

import asyncio
import json
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.sandbox.kubernetes.conftest import Connect

PODS = "/api/v1/namespaces/default/pods"


@pytest.mark.parametrize("http2", [False, True])
async def test_both_versions_of_http_are_served(connect: Connect, http2: bool) -> None:
    answer = await connect(http2=http2).get(PODS)

    assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    assert answer.status_code == 200


async def test_discovery_lists_the_kinds(api: httpx.AsyncClient) -> None:
    groups = (await api.get("/apis")).json()["groups"]
    apps = (await api.get("/apis/apps/v1")).json()["resources"]
    core = (await api.get("/api/v1")).json()["resources"]

    assert [group["name"] for group in groups] == [
        "apps",
        "autoscaling",
        "gateway.networking.k8s.io",
    ]
    assert {"deployments", "deployments/scale"} <= {resource["name"] for resource in apps}
    assert {"pods", "services", "secrets"} <= {resource["name"] for resource in core}
    assert (await api.get("/apis/nope")).status_code == 404
    assert (await api.get("/readyz")).text == "ok"


async def test_a_certificate_of_another_authority_is_refused(sandbox: KubernetesSandbox) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/version")


async def test_a_large_list_is_compressed_for_clients_that_accept_gzip(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient
) -> None:
    sandbox.add_deployment("many", replicas=100)
    packed = await api.get(PODS)
    plain = await api.get(PODS, headers={"accept-encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert len(packed.json()["items"]) == len(plain.json()["items"]) == 103


def test_it_serves_in_a_thread_while_the_caller_blocks() -> None:
    with KubernetesSandbox.in_thread() as sandbox:
        headers = {"authorization": f"Bearer {sandbox.token}"}
        with httpx.Client(base_url=sandbox.url, verify=sandbox.trust()) as client:
            before = client.get(PODS, headers=headers).json()
            sandbox.add_pod("extra")
            after = client.get(PODS, headers=headers).json()
        path = sandbox.ca_path

    assert len(after["items"]) == len(before["items"]) + 1
    assert not path.exists()


def test_a_port_that_is_taken_is_an_error_for_the_caller() -> None:
    with KubernetesSandbox.in_thread() as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), KubernetesSandbox.in_thread(port=port):
            pass


def test_the_command_prints_where_it_serves_and_ends_on_a_signal(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.sandbox", "--directory", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())["kubernetes"]
        token = Path(ready["token_path"]).read_text()
        headers = {"authorization": f"Bearer {token}"}
        trust = ssl.create_default_context(cafile=ready["ca_path"])
        with httpx.Client(base_url=ready["url"], verify=trust) as client:
            pods = client.get(PODS, headers=headers).json()["items"]
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=60)

    assert (len(pods), status) == (3, 0)
    assert Path(ready["token_path"]).stat().st_mode & 0o777 == 0o600


async def events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in response.aiter_lines():
        yield json.loads(line)


async def test_a_watch_reports_changes_as_they_happen(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient
) -> None:
    version = (await api.get(PODS)).json()["metadata"]["resourceVersion"]
    asked = {"watch": "1", "resourceVersion": version, "labelSelector": "w=y"}
    async with asyncio.timeout(60), api.stream("GET", PODS, params=asked) as response:
        stream = events(response)
        sandbox.add_pod("p", labels={"w": "y"})
        added = await anext(stream)
        sandbox.touch("pods", "p")
        modified = await anext(stream)
        sandbox.remove("pods", "p")
        deleted = await anext(stream)

    assert [e["type"] for e in (added, modified, deleted)] == ["ADDED", "MODIFIED", "DELETED"]
    assert added["object"]["kind"] == "Pod"


async def test_an_object_that_no_longer_matches_is_deleted_for_a_watch(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient
) -> None:
    sandbox.add_pod("p", labels={"w": "y"})
    merge = {"content-type": "application/merge-patch+json"}
    asked = {"watch": "1", "labelSelector": "w=y"}
    async with asyncio.timeout(60), api.stream("GET", PODS, params=asked) as response:
        stream = events(response)
        initial = await anext(stream)
        patch = {"metadata": {"labels": {"w": "n"}}}
        await api.patch(f"{PODS}/p", json=patch, headers=merge)
        left = await anext(stream)

    assert (initial["type"], left["type"]) == ("ADDED", "DELETED")


async def test_a_watch_from_an_expired_version_ends_with_a_410_event(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient
) -> None:
    version = (await api.get(PODS)).json()["metadata"]["resourceVersion"]
    sandbox.add_pod("p")
    sandbox.store.compact()
    answer = await api.get(PODS, params={"watch": "1", "resourceVersion": version})
    event = json.loads(answer.text)

    assert (answer.status_code, event["type"], event["object"]["code"]) == (200, "ERROR", 410)


async def test_a_watch_ends_when_its_time_is_over(api: httpx.AsyncClient) -> None:
    asked = {"watch": "1", "resourceVersion": "0", "timeoutSeconds": "1", "labelSelector": "w=y"}
    answer = await api.get(PODS, params=asked)

    assert (answer.status_code, answer.text) == (200, "")


async def test_a_bookmark_before_the_end_has_the_last_version_of_the_kind(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient
) -> None:
    version = (await api.get(PODS)).json()["metadata"]["resourceVersion"]
    asked = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "3"}
    bookmarks = asked | {"allowWatchBookmarks": "true"}
    quiet = await api.get(PODS, params=bookmarks)
    elsewhere = sandbox.add_pod("p", namespace="other")["metadata"]["resourceVersion"]
    sandbox.add_namespace("later")
    marked, unmarked = await asyncio.gather(
        api.get(PODS, params=bookmarks), api.get(PODS, params=asked)
    )

    event = json.loads(marked.text)
    assert (quiet.text, unmarked.text) == ("", "")
    assert (event["type"], event["object"]["kind"]) == ("BOOKMARK", "Pod")
    assert event["object"]["metadata"] == {"resourceVersion": elsewhere}


async def test_open_watches_do_not_delay_the_shutdown() -> None:
    async with asyncio.timeout(60):
        async with KubernetesSandbox() as sandbox:
            headers = {"authorization": f"Bearer {sandbox.token}"}
            client = httpx.AsyncClient(base_url=sandbox.url, verify=sandbox.trust())
            request = client.build_request("GET", f"{PODS}?watch=1", headers=headers)
            response = await client.send(request, stream=True)
        await response.aclose()
        await client.aclose()
