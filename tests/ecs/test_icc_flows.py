"""The flows of the control plane on ECS, from HTTP to the stand-in of AWS in one process.

HTTP → the gateway's application → the worker's dispatch → the provider → the stand-in.
"""

from typing import Any

import pytest

from contracts.seal import Seals
from tests.ecs.workloads import builders
from tests.ecs.workloads.inventory import rules
from tests.gateway.client import Client
from tests.icc import APP, DEPLOYMENT, REGISTERED, ControlPlane, Failed, Json, instance, named
from tests.loopback import Loopback, gateway_over
from tests.workloads import CANARY, specification
from worker.dispatch import Dispatch

KEYS = Seals([bytes(32)])
CLUSTER = "shop"
V6, V7 = "orders-api-v6", "orders-api-v7"


@pytest.fixture
async def provider(aws):
    """A provider for an account with a cluster, a listener and a namespace."""
    aws.add_cluster(CLUSTER)
    aws.add_listener("public")
    aws.add_cloud_map_namespace()
    async with builders.worker(aws) as opened:
        yield opened


@pytest.fixture
def loopback(provider):
    return Loopback(Dispatch("ecs", provider, KEYS), seals=KEYS)


@pytest.fixture
def icc(loopback):
    return ControlPlane(Client(gateway_over(loopback)), CLUSTER, provider="ecs")


async def deploy(icc: ControlPlane, version: str = "v7", **more: Any) -> Json:
    name, labels = f"{APP}-{version}", instance(version)
    wanted = specification(name=name, version=version, labels=labels, **more)
    return await icc.apply("workloads", wanted)


def leading(version: str, kind: str, **match: str) -> Json:
    return {
        "match": {"kind": kind, **match},
        "backend": {"serviceName": f"{APP}-{version}"},
        "versionId": version,
    }


def plan(active: str, *pinned: str, **more: Any) -> Json:
    """A plan with one active version and pins of others."""
    pins = [
        rule
        for version in pinned
        for rule in (
            leading(version, "queryParam", name="dpl", value=version),
            leading(version, "header", name="x-deployment-id", value=version),
        )
    ]
    return {
        "appName": APP,
        "hostname": "orders-api.apps.example.org",
        "routingMode": "query",
        "rules": [*pins, leading(active, "default")],
        **more,
    }


async def is_active(icc: ControlPlane, version: str) -> bool:
    """Return whether a version is active, as the control plane decides in its advise mode."""
    route = await icc.http_route(APP)
    if route is None or not await icc.machines(named(version)):
        return False
    [default] = [rule for rule in route["spec"]["rules"] if "headers" not in rule["matches"][0]][:1]
    accepted = [
        condition["status"] == "True"
        for parent in route["status"]["parents"]
        for condition in parent["conditions"]
        if condition["type"] == "Accepted"
    ]
    return default["backendRefs"][0]["name"] == f"{APP}-{version}" and accepted == [True]


async def test_a_deployment_is_applied_and_its_machines_come_up(icc, loopback):
    answer = await deploy(icc)

    assert (answer["name"], answer["created"]) == (V7, True)
    assert answer["endpoint"] == {"hostname": f"{V7}.sandbox.internal", "port": 3042}
    machines = await icc.machines(named("v7"))
    assert [machine["controller"]["name"] for machine in machines] == [V7, V7]
    assert all(machine["ready"] is True for machine in machines)
    assert CANARY not in str([message.body for message in loopback.messages])


async def test_a_task_registers(icc):
    await deploy(icc)
    [task, other] = [machine["id"] for machine in await icc.machines(named("v7"))]

    found = await icc.machine(task)
    assert found["image"] == "reg.example.com/team/orders-api:7"
    assert found["imageDigest"].startswith("sha256:")
    assert found["labels"]["plt.dev/version"] == "v7"
    [service] = await icc.services(
        {"app.kubernetes.io/name": APP, "app.kubernetes.io/instance": V7}
    )
    assert (service["name"], service["ports"][0]) == (V7, {"port": 3042, "protocol": "TCP"})
    assert service["labels"]["plt.dev/version"] == "v7"
    assert service["hostname"] == f"{V7}.sandbox.internal"
    controller = await icc.pod_controller(task)
    assert (controller["name"], controller["replicas"]) == (V7, 2)
    assert controller["providerMetadata"] == {}
    assert await icc.set_machine_labels(task, REGISTERED) == {"labels": REGISTERED}
    [same] = await icc.machines({"platformatic.dev/application-id": "0c1f2d"})
    assert same["id"] == task
    assert {each["id"] for each in await icc.machines(named("v7"))} == {task, other}
    assert [each["metadata"]["name"] for each in await icc.gateways()] == ["public"]


async def test_a_task_without_the_tags_of_its_service_registers(icc, aws):
    aws.add_service("web", CLUSTER, tags=named("v1"), propagate_tags=False)
    [task] = await icc.machines(named("v1"))

    await icc.set_machine_labels(task["id"], {"platformatic.dev/application-id": "0c1f2d"})

    [same] = await icc.machines(named("v1"))
    assert same["labels"] == {**named("v1"), "platformatic.dev/application-id": "0c1f2d"}


async def test_the_scaler_reads_and_scales(icc):
    await deploy(icc)

    found = await icc.controller(V7, {})
    assert found["replicas"] == 2
    bounds = [found["labels"][f"icc.platformatic.dev/scaler-{end}"] for end in ("min", "max")]
    assert bounds == ["2", "6"]
    assert len({machine["id"] for machine in found["machines"]}) == 2
    scaled = await icc.scale(V7, 4, {})

    assert (scaled["name"], scaled["replicas"]) == (V7, 4)
    assert "machines" not in scaled
    assert len((await icc.controller(V7, {}))["machines"]) == 4


async def test_a_redeployment_keeps_the_size_that_the_scaler_set(icc):
    await deploy(icc)
    await icc.scale(V7, 5, {})

    answer = await deploy(icc, image="reg.example.com/team/orders-api:8")

    assert answer["created"] is False
    assert (await icc.controller(V7, {}))["replicas"] == 5


async def test_an_activation_is_confirmed_by_the_default_rule_of_the_route(icc):
    await deploy(icc, "v6")
    await deploy(icc, "v7")
    assert await icc.http_route(APP) is None
    assert not await is_active(icc, "v7")

    answer = await icc.apply("gateway/routeplans", plan("v7", "v6", generation=1))

    assert (answer["appName"], answer["created"]) == (APP, 3)
    assert await is_active(icc, "v7")
    assert not await is_active(icc, "v6")
    route = await icc.http_route(APP)
    assert [rule["match"]["kind"] for rule in route["rules"]] == ["queryParam", "header", "default"]
    assert [rule["versionId"] for rule in route["rules"]] == ["v6", "v6", "v7"]


async def test_an_older_plan_is_a_conflict(icc):
    await deploy(icc, "v6")
    await deploy(icc, "v7")
    await icc.apply("gateway/routeplans", plan("v7", generation=2))

    with pytest.raises(Failed, match="stale") as failed:
        await icc.apply("gateway/routeplans", plan("v6", generation=1))

    assert failed.value.answer.status == 409
    assert await is_active(icc, "v7")


async def test_an_expired_version_is_torn_down(icc, aws):
    await deploy(icc, "v6")
    await deploy(icc, "v7")
    await icc.apply("gateway/routeplans", plan("v7", "v6"))

    await icc.apply("gateway/routeplans", plan("v7"))
    await icc.scale(V6, 0, DEPLOYMENT)
    assert await icc.machines(named("v6")) == []
    assert await icc.delete_controller(V6, DEPLOYMENT) == {"name": V6, "deleted": True}
    assert await icc.delete_service(V6) is not None

    assert len(await icc.machines(named("v7"))) == 2
    assert await icc.services(named("v6")) == []
    assert len(rules(aws)) == 1
    assert await is_active(icc, "v7")
    with pytest.raises(Failed, match="404"):
        await icc.controller(V6, DEPLOYMENT)
    assert aws.service(V6, CLUSTER)["status"] == "INACTIVE"


async def test_a_plan_can_be_applied_again_when_a_leader_starts(icc):
    await deploy(icc)
    for _ in range(2):
        await icc.apply("gateway/routeplans", plan("v7", generation=4))

    assert await is_active(icc, "v7")
    assert await icc.delete_http_route(APP) is not None
    assert await icc.http_route(APP) is None
    with pytest.raises(Failed) as failed:
        await icc.delete_http_route(APP)
    assert failed.value.answer.status == 404


@pytest.mark.parametrize(
    ("code", "status"),
    [("ThrottlingException", 429), ("ServerException", 502), ("AccessDeniedException", 403)],
)
async def test_a_refusal_of_aws_has_a_status_that_the_control_plane_handles(icc, aws, code, status):
    aws.faults.add(code=code, message="refused", times=None)

    with pytest.raises(Failed) as failed:
        await icc.machines(named("v7"))

    answer = failed.value.answer
    assert answer.status == status
    assert ("retry-after" in answer.headers) == (status == 429)
    assert answer.json()["statusCode"] == status


async def test_an_empty_label_map_means_all_machines_but_no_service(icc):
    await deploy(icc)

    assert len(await icc.machines({})) == len(await icc.machines()) == 2
    with pytest.raises(Failed) as failed:
        await icc.services({})
    assert failed.value.answer.status == 400


async def test_an_absent_task_is_not_found(icc):
    with pytest.raises(Failed) as failed:
        await icc.machine("0" * 32)

    body = failed.value.answer.json()
    assert (body["statusCode"], body["code"], body["error"]) == (404, "not_found", "Not Found")


async def test_a_pull_secret_without_a_key_to_seal_it_is_refused(provider, aws):
    loopback = Loopback(Dispatch("ecs", provider, Seals([])), seals=Seals([]))
    icc = ControlPlane(Client(gateway_over(loopback)), CLUSTER, provider="ecs")

    with pytest.raises(Failed) as failed:
        await deploy(icc)

    assert failed.value.answer.status == 501
    assert aws.calls.writes() == []
    assert CANARY not in str(loopback.messages)
