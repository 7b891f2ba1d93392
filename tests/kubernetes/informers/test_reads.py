"""Queries of the provider from informers: the same answers as live, without requests."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET, structs

from contracts import api
from contracts.faults import Code, Fault
from contracts.freshness import UNKNOWN, Freshness
from contracts.operation import Operation
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.calls import ample
from tests.kubernetes import manifests
from tests.kubernetes.informers.conftest import watches
from tests.kubernetes.objects import pod
from tests.kubernetes.transports import until
from worker.dispatch import methods
from worker.provider import Call
from worker.providers import k8s
from worker.providers.k8s import access
from worker.providers.k8s.api.client import Client
from worker.providers.k8s.informers.reads import Reads
from worker.providers.k8s.objects import OwnerReference, Pod
from worker.providers.k8s.provider import KubernetesProvider

WATCH = "watch=true"


def cached(max_age_s: float | None = None, **versions: int) -> Call:
    """Return the call of a query that may be answered from informers."""
    call = ample()
    call.freshness = Freshness(versions, max_age_s)
    return call


async def ask(provider: KubernetesProvider, query: Operation[Any], call: Call) -> Any:
    return await methods(provider)[query.row.name](query, call)


@pytest.fixture
def populated(cluster: KubernetesSandbox) -> KubernetesSandbox:
    cluster.add_deployment("web", replicas=3)
    cluster.add_stateful_set("db", replicas=2)
    cluster.add_replica_set("lone", replicas=1)
    cluster.add_replication_controller("old", replicas=1)
    cluster.add_pod("bare", labels={"app": "bare"})
    cluster.add_service("web", labels={"app": "web"})
    return cluster


@pytest.fixture
async def provider(
    populated: KubernetesSandbox, environment: dict[str, str]
) -> AsyncIterator[KubernetesProvider]:
    """A provider whose informers of the namespace `default` run."""
    async with k8s.open_provider(environment) as opened:
        for _ in range(2):
            for query in queries(populated):
                await ask(opened, query, cached())
        await until(lambda: trusted(opened) == len(access.WATCHED) <= watches(populated))
        yield opened


def trusted(provider: KubernetesProvider) -> int:
    return sum(each.is_trusted for each in provider.informer_states())


def queries(cluster: KubernetesSandbox) -> list[Operation[Any]]:
    pod = cluster.read_all("pods", "default")[0]["metadata"]["name"]
    return [
        api.GetMachine("default", pod),
        api.GetMachine("default", "bare"),
        api.GetMachines("default"),
        api.GetMachines("default", {"app": "web"}),
        api.GetControllers("default"),
        api.GetControllers("default", pod),
        *(api.GetController("default", name) for name in ("web", "db", "lone", "old")),
        api.GetController("default", "db", "StatefulSet", "apps/v1"),
        api.GetServicesByLabels("default", {"app": "web"}),
    ]


async def test_answers_are_the_same_as_live_and_take_no_request(
    provider: KubernetesProvider, populated: KubernetesSandbox
) -> None:
    asked = queries(populated)
    live = [await ask(provider, query, ample()) for query in asked]
    populated.calls.clear()
    calls = [cached() for _ in asked]
    local = [await ask(provider, query, call) for query, call in zip(asked, calls, strict=True)]

    assert [msgspec.json.encode(each) for each in local] == [
        msgspec.json.encode(each) for each in live
    ]
    assert len(populated.calls) == 0
    assert all(call.age_s is not None and call.shown for call in calls)


async def test_a_changed_pod_is_a_changed_machine(
    provider: KubernetesProvider, populated: KubernetesSandbox
) -> None:
    def of(found: list[Any], name: str) -> Any:
        return next(each for each in found if each.id == name)

    async def machines(**versions: int) -> list[Any]:
        return list(await ask(provider, api.GetMachines("default"), cached(**versions)))

    name = next(each.id for each in await machines() if each.id.startswith("web-"))
    before = of(await machines(), name)
    change = ample()
    await ask(provider, api.SetMachineLabels("default", name, {"step": "2"}), change)
    relabelled = of(await machines(**change.written), name)

    assert (before.labels.get("step"), relabelled.labels.get("step")) == (None, "2")


def test_a_machine_is_translated_again_for_another_owner(client: Client) -> None:
    call = ample()
    reads = Reads(client.for_call(call), None, call)
    found = msgspec.json.decode(msgspec.json.encode(pod("p")), type=Pod)
    owner = OwnerReference("apps/v1", "Deployment", "web", "1")
    machine = reads.machine(found, owner)

    assert reads.machine(found, owner) is machine
    assert reads.machine(found, structs.replace(owner)) is machine
    assert reads.machine(found, None).controller is UNSET
    assert reads.machine(structs.replace(found), None) is not machine


async def test_a_query_without_freshness_asks_the_api_server(
    provider: KubernetesProvider, populated: KubernetesSandbox
) -> None:
    populated.calls.clear()
    call = ample()
    await ask(provider, api.GetMachines("default"), call)

    assert populated.calls.count("GET", "/pods$") == 1
    assert (call.shown, call.age_s) == ({}, None)


async def test_no_cache_asks_the_api_server_and_reports_what_it_saw(
    provider: KubernetesProvider, populated: KubernetesSandbox
) -> None:
    populated.calls.clear()
    call = cached(max_age_s=0)
    await ask(provider, api.GetMachines("default"), call)

    newest = max(
        int(pod["metadata"]["resourceVersion"]) for pod in populated.read_all("pods", "default")
    )
    assert populated.calls.count("GET", "/pods$") == 1
    assert (call.shown["pods"], call.age_s) == (newest, None)


async def test_an_absent_object_is_asked_for_at_the_api_server(
    provider: KubernetesProvider, populated: KubernetesSandbox
) -> None:
    populated.calls.clear()
    with pytest.raises(Fault) as raised:
        await ask(provider, api.GetMachine("default", "absent"), cached())

    assert raised.value.code is Code.NOT_FOUND
    assert populated.calls.count("GET", "/pods/absent") == 1


async def test_an_object_that_no_informer_has_yet_is_found(
    provider: KubernetesProvider, populated: KubernetesSandbox
) -> None:
    populated.faults.add(query=WATCH, disconnect="before", times=None)
    populated.cut_connections()
    populated.add_pod("new")
    found = await ask(provider, api.GetMachine("default", "new"), cached())

    assert found.id == "new"


@pytest.mark.parametrize("version", [10**9, UNKNOWN])
async def test_a_version_that_an_informer_has_not_reached_is_read_live(
    provider: KubernetesProvider, populated: KubernetesSandbox, version: int
) -> None:
    populated.calls.clear()
    await ask(provider, api.GetMachines("default"), cached(pods=version))
    await ask(provider, api.GetServicesByLabels("default", {"app": "web"}), cached(pods=version))

    assert populated.calls.count("GET", "/pods$") == 1
    assert populated.calls.count("GET", "/services$") == 0


async def test_a_lagging_informer_does_not_hide_a_command(
    provider: KubernetesProvider, populated: KubernetesSandbox
) -> None:
    populated.faults.add(query=WATCH, disconnect="before", times=None)
    populated.cut_connections()
    command = ample()
    await ask(provider, api.UpdateControllerReplicas("default", "web", 5, "Deployment"), command)
    query = api.GetController("default", "web", "Deployment")
    without = await ask(provider, query, cached())
    shown = await ask(provider, query, cached(**command.written))
    listed = await ask(provider, api.GetControllers("default"), cached(**command.written))

    assert without.controller.replicas == 3
    assert shown.controller.replicas == 5
    assert {each.name: each.replicas for each in listed.controllers}["web"] == 5


async def test_commands_report_the_versions_that_they_produced(
    provider: KubernetesProvider, populated: KubernetesSandbox
) -> None:
    async def written(operation: Operation[Any]) -> dict[str, int]:
        call = ample()
        await ask(provider, operation, call)
        return call.written

    def version(plural: str, name: str) -> int:
        [found] = [
            each
            for each in populated.read_all(plural, "default")
            if each["metadata"]["name"] == name
        ]
        return int(found["metadata"]["resourceVersion"])

    labels = await written(api.SetMachineLabels("default", "bare", {"a": "b"}))
    service = await written(api.ApplyService("default", manifests.service("new", 80)))
    manifest = manifests.workload_of_kind("StatefulSet", "new", 0)
    controller = await written(api.ApplyController("default", manifest))
    secret = await written(api.ApplySecret("default", manifests.secret()))
    deleted = await written(api.DeleteController("default", "old", "ReplicationController"))

    assert labels == {"pods": version("pods", "bare")}
    assert service == {"services": version("services", "new")}
    assert list(controller) == ["statefulsets"]
    assert secret == {}
    assert deleted == {"replicationcontrollers": UNKNOWN}


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (api.DeleteService("default", "absent"), {"services"}),
        (api.DeleteController("default", "absent", "StatefulSet"), {"statefulsets"}),
        (
            api.DeleteController("default", "absent"),
            {"deployments", "statefulsets", "replicasets", "replicationcontrollers"},
        ),
    ],
)
async def test_after_a_deletion_of_an_absent_object_no_informer_shows_it(
    provider: KubernetesProvider, operation: Operation[Any], expected: set[str]
) -> None:
    call = ample()
    with pytest.raises(Fault):
        await ask(provider, operation, call)

    assert call.written == dict.fromkeys(expected, UNKNOWN)


async def test_without_the_right_to_watch_answers_are_live_and_the_reason_is_told(
    populated: KubernetesSandbox, environment: dict[str, str], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(populated.restricted_token("reader", ("get list", "pods", "default")))
    async with k8s.open_provider(environment | {"PLT_K8S_TOKEN_PATH": str(token)}) as provider:
        query = api.GetMachines("default", {"app": "bare"})
        for _ in range(2):
            await ask(provider, query, cached())
        await until(lambda: any(each.problem for each in provider.informer_states()))
        populated.calls.clear()
        found = await ask(provider, query, cached())
        problems = [each.problem for each in provider.informer_states()]

    assert [each.id for each in found] == ["bare"]
    assert populated.calls.count("GET", "/pods$") == 1
    assert len(problems) == 1
    assert "lacks the right to watch pods" in str(problems[0])


async def test_informers_can_be_switched_off(
    populated: KubernetesSandbox, environment: dict[str, str]
) -> None:
    async with k8s.open_provider(environment | {"PLT_K8S_INFORMERS": "false"}) as provider:
        for _ in range(3):
            await ask(provider, api.GetMachines("default"), cached())
        states = provider.informer_states()

    assert states == []
    assert watches(populated) == 0


async def test_informers_need_exactly_the_watches_of_the_shipped_role(
    provider: KubernetesProvider, populated: KubernetesSandbox
) -> None:
    watched = {call.path.rpartition("/")[2] for call in populated.calls if WATCH in call.query}

    assert watched == {plural for _, plural in access.WATCHED}
    assert populated.denials == []
