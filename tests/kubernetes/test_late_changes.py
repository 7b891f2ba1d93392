"""Late changes of a frozen worker do not overwrite what other writers wrote in the meantime."""

from collections.abc import Callable

import pytest

from contracts import api
from contracts.faults import Code, Fault
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.calls import ample
from tests.kubernetes import manifests, outside
from worker.provider import Call

SERVICES = "/api/v1/namespaces/default/services/web"


def overtaken(cluster: KubernetesSandbox, method: str, change: Callable[[], object]) -> Call:
    """Return a call of a worker that is frozen before its first request of a method.

    During the freeze the successor makes a change; the call's fence is lost when its request is
    answered.
    """
    changed = False

    def may_go_on() -> bool:
        nonlocal changed
        if not changed and (method == "DELETE" or cluster.calls.count("GET")):
            changed = True
            change()
        return cluster.calls.count(method) == 0

    return Call(ample().deadline, may_go_on)


def statuses(cluster: KubernetesSandbox) -> list[tuple[str, int | None]]:
    return [(call.method, call.status) for call in cluster.calls]


async def test_a_late_update_from_a_manifest_does_not_undo_a_newer_one(provider, cluster):
    cluster.add_service("web")
    newer = {"metadata": {"labels": {"written": "by-the-successor"}}}
    late = overtaken(cluster, "PATCH", lambda: outside.ask(cluster, "PATCH", SERVICES, newer))

    with pytest.raises(Fault) as raised:
        await provider.apply_service(
            api.ApplyService("default", manifests.service("web", 8080)), late
        )

    assert raised.value.code is Code.PLATFORM_FAILED
    assert statuses(cluster) == [("GET", 200), ("PATCH", 409)]
    found = cluster.read("services", "web")
    assert found["metadata"]["labels"] == {"written": "by-the-successor"}


async def test_an_overtaken_update_is_repeated_after_another_read(provider, cluster, call):
    cluster.add_service("web")
    newer = {"metadata": {"annotations": {"written": "by-another"}}}
    overtaking = overtaken(cluster, "PATCH", lambda: outside.ask(cluster, "PATCH", SERVICES, newer))
    patient = Call(call().deadline, lambda: overtaking.left() >= 0)

    await provider.apply_service(
        api.ApplyService("default", manifests.service("web", 8080)), patient
    )

    assert statuses(cluster) == [("GET", 200), ("PATCH", 409), ("GET", 200), ("PATCH", 200)]
    found = cluster.read("services", "web")
    assert found["metadata"]["annotations"] == {"written": "by-another"}
    assert found["spec"]["ports"][0]["port"] == 8080


async def test_a_late_deletion_spares_a_new_object_of_the_same_name(provider, cluster, call):
    cluster.add_deployment("web", replicas=1)
    await provider.get_controller(api.GetController("default", "web", "Deployment"), call())
    cluster.calls.clear()

    def recreate() -> None:
        cluster.remove("deployments.apps", "web")
        cluster.add_deployment("web", replicas=2)

    with pytest.raises(Fault) as raised:
        await provider.delete_controller(
            api.DeleteController("default", "web", "Deployment"),
            overtaken(cluster, "DELETE", recreate),
        )

    assert raised.value.code is Code.DEADLINE_EXCEEDED
    assert statuses(cluster) == [("DELETE", 409)]
    assert cluster.read("deployments.apps", "web")["spec"]["replicas"] == 2


async def test_the_deletion_of_a_replaced_object_deletes_the_new_one(provider, cluster, call):
    """The command names the object; the uid only stops late requests."""
    cluster.add_deployment("web", replicas=1)
    await provider.get_controller(api.GetController("default", "web", "Deployment"), call())
    cluster.remove("deployments.apps", "web")
    cluster.add_deployment("web", replicas=2)
    cluster.calls.clear()

    await provider.delete_controller(api.DeleteController("default", "web", "Deployment"), call())

    assert statuses(cluster) == [("DELETE", 409), ("GET", 200), ("DELETE", 200)]
    assert cluster.read("deployments.apps", "web") is None


async def test_a_deletion_with_a_uid_deletes_the_pods_too(provider, cluster, call):
    cluster.add_replication_controller("web", replicas=2)

    await provider.delete_controller(api.DeleteController("default", "web"), call())

    assert cluster.calls.matching("DELETE")[0].body
    assert cluster.read_all("pods") == []
