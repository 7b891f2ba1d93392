"""The states before and after that a command on Kubernetes records, without secrets."""

import base64
import json

import pytest

from contracts import api
from contracts.faults import Fault
from tests.calls import ample
from tests.kubernetes import manifests
from tests.kubernetes.scripted import Scripted, answer
from worker.provider import Call
from worker.providers import k8s
from worker.providers.k8s.provider import KubernetesProvider

CANARY = "canary-4711"
ENCODED = base64.b64encode(CANARY.encode()).decode()
LABELS = {"app.kubernetes.io/instance": "web"}


async def scaled(provider: KubernetesProvider, replicas: int, call: Call) -> None:
    await provider.update_controller_replicas(
        api.UpdateControllerReplicas("default", "web", replicas), call
    )


async def test_a_scaling_of_an_unread_controller_does_not_record_the_former_count(
    provider, cluster, call
):
    cluster.add_deployment("web", replicas=3)
    run = call()

    await scaled(provider, 5, run)

    assert run.before == {"running": 3}
    assert run.after == {"replicas": 5, "running": 3}


async def test_a_scaling_at_the_last_known_version_records_the_former_count(
    provider, cluster, call
):
    cluster.add_deployment("web", replicas=3)
    await scaled(provider, 5, call())
    cluster.calls.clear()
    run = call()

    await scaled(provider, 2, run)

    assert run.before == {"replicas": 5, "running": 5}
    assert run.after == {"replicas": 2, "running": 5}
    assert [each.method for each in cluster.calls.writes()] == ["PATCH"]


async def test_a_scaling_that_finds_another_version_does_not_record_the_former_count(
    provider, cluster, environment, call
):
    cluster.add_deployment("web", replicas=3)
    await scaled(provider, 5, call())
    async with k8s.open_provider(environment) as another:
        await scaled(another, 9, call())
    run = call()

    await scaled(provider, 2, run)

    assert "replicas" not in run.before
    assert run.after["replicas"] == 2


async def test_a_redelivered_scaling_records_the_count_that_it_read(provider, cluster):
    cluster.add_deployment("web", replicas=3)
    run = Call(ample().deadline, redelivered=True)

    await scaled(provider, 5, run)

    assert run.before == {"replicas": 3, "running": 3}


async def test_a_creation_records_absence_and_an_update_records_both_images(
    provider, cluster, call
):
    created, updated = call(), call()
    for run, image in ((created, "r.example/web:1"), (updated, "r.example/web:2")):
        manifest = manifests.deployment("web", 2, image)
        await provider.apply_controller(api.ApplyController("default", manifest), run)

    assert created.before == {"exists": False}
    assert created.after["replicas"] == 2
    assert created.after["images"] == updated.before["images"] == ["r.example/web:1"]
    assert updated.before["labels"] == LABELS
    assert (updated.before["replicas"], updated.before["running"]) == (2, 2)
    assert updated.after["images"] == ["r.example/web:2"]


async def test_a_deletion_records_the_controller_as_it_was_read(provider, cluster, call):
    cluster.add_deployment("web", replicas=3)
    run = call()

    await provider.delete_controller(api.DeleteController("default", "web"), run)

    assert (run.before["replicas"], run.before["running"]) == (3, 3)
    assert run.before["images"]
    assert run.after == {"exists": False}


async def test_a_deletion_in_one_call_records_that_the_controller_existed(provider, cluster, call):
    cluster.add_deployment("web", replicas=3)
    cluster.calls.clear()
    run = call()

    await provider.delete_controller(api.DeleteController("default", "web", "Deployment"), run)

    assert (run.before, run.after) == ({"exists": True}, {"exists": False})
    assert len(cluster.calls) == 1


async def test_a_service_is_recorded_with_its_ports_and_labels(provider, cluster, call):
    created, updated, deleted = call(), call(), call()
    for run, ports in ((created, [80]), (updated, [80, 9090])):
        manifest = manifests.service("web", *ports)
        await provider.apply_service(api.ApplyService("default", manifest), run)
    await provider.delete_service(api.DeleteService("default", "web"), deleted)

    assert created.before == {"exists": False}
    assert created.after == updated.before == {"ports": ["80/TCP"], "labels": LABELS}
    assert updated.after == {"ports": ["80/TCP", "9090/TCP"], "labels": LABELS}
    assert deleted.after == {"exists": False}


async def test_only_the_labels_in_the_command_are_recorded(provider, cluster, call):
    cluster.add_pod("one", labels={"track": "blue", "old": "1"})
    run = call()

    await provider.set_machine_labels(
        api.SetMachineLabels("default", "one", {"new": "2", "old": None}), run
    )

    assert run.before == {"exists": True}
    assert run.after == {"labels": {"new": "2", "old": None}}


async def test_a_secret_is_recorded_with_the_names_of_its_keys(provider, cluster, call):
    first, second = call(), call()
    for run in (first, second):
        manifest = manifests.secret(stringData={"token": CANARY}, data={"b": ENCODED})
        await provider.apply_secret(api.ApplySecret("default", manifest), run)

    assert (first.before, second.before) == ({"exists": False}, {"exists": True})
    assert first.after == second.after == {"secretKeys": ["b", "token"]}


async def test_a_secret_with_a_lost_response_is_not_recorded_as_existing(provider, cluster, call):
    cluster.faults.add(disconnect="after", times=1)
    run = call()

    await provider.apply_secret(api.ApplySecret("default", manifests.secret(data={})), run)

    assert (run.before, run.after) == ({}, {"secretKeys": []})


async def test_a_creation_with_a_lost_response_records_absence(provider, cluster, call):
    cluster.faults.add(method="POST", disconnect="after", times=1)
    run = call()

    await provider.apply_service(api.ApplyService("default", manifests.service()), run)

    assert run.before == {"exists": False}


async def test_a_route_is_recorded_with_its_hostnames_rules_and_backends(provider, cluster, call):
    run = call()
    manifest = manifests.route("web", "web-v1", "web-v2")
    manifest["spec"]["hostnames"] = ["web.example"]

    await provider.apply_http_route(api.ApplyHttpRoute("default", manifest), run)

    assert run.before == {"exists": False}
    assert run.after == {
        "hostnames": ["web.example"],
        "rules": ["default: web-v1", "default: web-v2"],
        "backends": ["web-v1", "web-v2"],
    }


async def test_no_value_of_a_secret_or_of_the_environment_is_recorded(provider, cluster, call):
    runs: list[Call] = []
    secret = {"registry": "r.example", "username": "ci", "password": CANARY}
    workload = {
        "name": "shop",
        "image": "r.example/shop:1",
        "env": [{"name": "TOKEN", "value": CANARY}],
    }
    for _ in range(2):
        runs += [call(), call(), call()]
        await provider.apply_workload(
            api.ApplyWorkload("default", workload | {"pullSecret": secret}), runs[-3]
        )
        manifest = manifests.deployment("web", 1)
        container = manifest["spec"]["template"]["spec"]["containers"][0]
        container["env"] = [{"name": "TOKEN", "value": CANARY}]
        manifest["metadata"]["annotations"] = {"note": CANARY}
        await provider.apply_controller(api.ApplyController("default", manifest), runs[-2])
        manifest = manifests.secret(stringData={"token": CANARY})
        await provider.apply_secret(api.ApplySecret("default", manifest), runs[-1])
    runs.append(call())
    await provider.delete_controller(api.DeleteController("default", "web"), runs[-1])

    recorded = json.dumps([[run.before, run.after] for run in runs])
    assert CANARY not in recorded
    assert ENCODED not in recorded
    assert all(run.before and run.after for run in runs)


async def test_a_partly_applied_workload_records_the_applied_part(provider, cluster, call):
    cluster.faults.add(method="POST", path="/services", status=403, body="{}", times=None)
    run = call()

    with pytest.raises(Fault):
        await provider.apply_workload(
            api.ApplyWorkload("default", {"name": "shop", "image": "r.example/shop:1"}), run
        )

    assert run.before == {"exists": False}
    assert run.after["images"] == ["r.example/shop:1"]


async def test_an_object_held_by_finalizers_is_not_recorded_as_deleted(tmp_path, call):
    metadata = {"name": "web", "uid": "1", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    waiting = {"kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}
    run = call()

    async with Scripted(answer(waiting)).client(tmp_path) as client:
        await KubernetesProvider(client).delete_service(api.DeleteService("default", "web"), run)

    assert run.before == {"ports": ["80/TCP"], "labels": {}}
    assert run.after == {"exists": True, "deleting": True}
