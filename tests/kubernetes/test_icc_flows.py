"""The control plane's flows, from HTTP to the platform in one process.

HTTP → the gateway's application → the worker's dispatch → the provider → the stand-in.
"""

import base64
import json

import pytest

from contracts.seal import Seals
from tests.gateway.client import Client
from tests.icc import APP, DEPLOYMENT, REGISTERED, ControlPlane, Failed, Json, instance, named
from tests.kubernetes import manifests
from tests.loopback import Loopback, gateway_over
from worker.dispatch import Dispatch

KEYS = Seals([bytes(32)])
V7 = "orders-api-v7"


@pytest.fixture
def loopback(provider):
    return Loopback(Dispatch("k8s", provider, KEYS), seals=KEYS)


@pytest.fixture(params=["labels", "labels[]"])
def icc(loopback, request):
    return ControlPlane(Client(gateway_over(loopback)), "default", request.param)


def labelled(manifest: Json, version: str) -> Json:
    labels = instance(version)
    manifest["metadata"]["labels"] = labels
    template = manifest["spec"].get("template")
    if template:
        template["metadata"]["labels"] = labels
    return manifest


async def deploy(icc: ControlPlane, version: str = "v7", replicas: int | None = 2) -> None:
    """Deploy as the control plane does: secret, controller, service, in this order."""
    name = f"{APP}-{version}"
    auth = {"auths": {"reg.example.com": {"username": "ci", "password": "canary-4711"}}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(auth).encode()).decode()}
    pull = manifests.secret(f"{name}-pull", type="kubernetes.io/dockerconfigjson", data=data)
    await icc.apply("secrets", pull)
    await icc.apply("controllers", labelled(manifests.deployment(name, replicas), version))
    await icc.apply("services", labelled(manifests.service(name), version))


async def test_a_deployment_is_applied_and_its_machines_start(icc, cluster, loopback):
    await deploy(icc)

    machines = await icc.machines(named("v7"))
    assert len(machines) == 2
    assert {machine["controller"]["name"] for machine in machines} == {V7}
    assert all(machine["ready"] is True for machine in machines)
    assert "canary" not in str([message.body for message in loopback.messages])
    assert cluster.calls.matching("GET", "/secrets") == []


async def test_a_pod_registers(icc, cluster):
    await deploy(icc)
    machine = (await icc.machines(named("v7")))[0]["id"]

    found = await icc.machine(machine)
    assert found["image"] == "r.example/web:1"
    assert "sha256:" in found["imageDigest"]
    assert found["labels"]["plt.dev/version"] == "v7"
    [service] = await icc.services(
        {"app.kubernetes.io/name": APP, "app.kubernetes.io/instance": V7}
    )
    assert service["ports"][0] == {"port": 3042, "protocol": "TCP"}
    controller = await icc.pod_controller(machine)
    assert (controller["name"], controller["replicas"]) == (V7, 2)
    assert controller["providerMetadata"] == DEPLOYMENT
    assert await icc.set_machine_labels(machine, REGISTERED) == {"labels": REGISTERED}
    [same] = await icc.machines({"platformatic.dev/application-id": "0c1f2d"})
    assert same["id"] == machine
    stored = cluster.read("pods", machine)["metadata"]["labels"]
    assert stored["app.kubernetes.io/name"] == APP


async def test_an_activation_is_confirmed_by_ready_machines_or_by_the_default_rule(icc, cluster):
    await deploy(icc)
    cluster.add_gateway("gateway")
    assert (await icc.gateways())[0]["metadata"]["name"] == "gateway"
    assert await icc.http_route(APP) is None

    await icc.apply("gateway/httproutes", manifests.route(APP, V7))

    route = await icc.http_route(APP)
    default = [rule for rule in route["spec"]["rules"] if not rule["matches"][0].get("headers")]
    assert default[0]["backendRefs"][0]["name"] == V7
    ready = await icc.machines({"app.kubernetes.io/instance": V7})
    assert any(machine["ready"] is True for machine in ready)


@pytest.mark.parametrize("metadata", [DEPLOYMENT, {}], ids=["metadata", "none"])
async def test_the_scaler_reads_and_scales_with_and_without_metadata(icc, cluster, metadata):
    await deploy(icc)

    found = await icc.controller(V7, metadata)
    assert found["replicas"] == 2
    assert found["labels"]["app.kubernetes.io/name"] == APP
    assert len({machine["id"] for machine in found["machines"]}) == 2
    scaled = await icc.scale(V7, 4, metadata)

    assert (scaled["name"], scaled["replicas"]) == (V7, 4)
    assert "machines" not in scaled
    assert len((await icc.controller(V7, metadata))["machines"]) == 4


async def test_redeploying_a_version_keeps_the_scalers_replicas(icc, cluster):
    await deploy(icc, replicas=None)
    await icc.scale(V7, 5, DEPLOYMENT)

    await deploy(icc, replicas=None)

    assert (await icc.controller(V7, DEPLOYMENT))["replicas"] == 5


async def test_a_version_expires(icc, cluster):
    await deploy(icc, "v6")
    await deploy(icc, "v7")
    await icc.apply("gateway/httproutes", manifests.route(APP, f"{APP}-v6", V7))

    await icc.apply("gateway/httproutes", manifests.route(APP, V7))
    await icc.scale(f"{APP}-v6", 0, DEPLOYMENT)
    assert await icc.machines(named("v6")) == []
    assert await icc.delete_controller(f"{APP}-v6", DEPLOYMENT) is not None
    assert await icc.delete_service(f"{APP}-v6") is not None

    assert len(await icc.machines(named("v7"))) == 2
    assert await icc.services(named("v6")) == []
    with pytest.raises(Failed, match="404"):
        await icc.controller(f"{APP}-v6", DEPLOYMENT)


async def test_routes_can_be_applied_again_when_a_leader_starts(icc, cluster):
    for _ in range(2):
        for name in (APP, "billing"):
            await icc.apply("gateway/httproutes", manifests.route(name))

    assert await icc.delete_http_route("billing") is not None
    assert await icc.http_route("billing") is None
    with pytest.raises(Failed) as failed:
        await icc.delete_http_route("billing")
    assert failed.value.answer.status == 404


async def test_an_empty_label_map_means_all_machines_but_no_service(icc, cluster):
    await deploy(icc)

    assert len(await icc.machines({})) == 2
    assert len(await icc.machines()) == 2
    with pytest.raises(Failed) as failed:
        await icc.services({})
    assert failed.value.answer.status == 400


async def test_a_label_value_with_an_equals_sign_is_invalid_and_not_truncated(icc, cluster):
    with pytest.raises(Failed, match="expected a Kubernetes label value") as failed:
        await icc.machines({"app": "a=b"})

    assert failed.value.answer.status == 400
    assert len(cluster.calls) == 0


async def test_a_failure_has_the_platforms_message(icc, cluster):
    with pytest.raises(Failed) as failed:
        await icc.machine("nope")

    body = failed.value.answer.json()
    assert (body["statusCode"], body["code"], body["error"]) == (404, "not_found", "Not Found")
    assert 'pods "nope" not found' in body["message"]


async def test_a_secret_is_refused_without_a_seal_key(provider, cluster):
    loopback = Loopback(Dispatch("k8s", provider, Seals([])), seals=Seals([]))
    icc = ControlPlane(Client(gateway_over(loopback)), "default")

    with pytest.raises(Failed) as failed:
        await icc.apply("secrets", manifests.secret(stringData={"a": "canary-4711"}))

    assert failed.value.answer.status == 501
    assert len(cluster.calls) == 0
    assert "canary" not in str(loopback.messages)
