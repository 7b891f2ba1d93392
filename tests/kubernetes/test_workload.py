"""The neutral workload as Secret, Deployment and Service."""

import base64
import json
import re
from typing import Any

import pytest

from contracts import api
from contracts.faults import Code, Fault
from tests.workloads import CANARY, specification
from worker.provider import Call
from worker.providers.k8s.workloads import workload


def operation(**more: Any) -> api.ApplyWorkload:
    return api.ApplyWorkload("default", specification(**more))


def test_the_deployment_equals_the_control_planes_own_manifest():
    found = workload.deployment(workload.read(specification()))

    [container] = found["spec"]["template"]["spec"]["containers"]
    assert found["metadata"]["labels"]["icc.platformatic.dev/scaler-max"] == "6"
    assert found["spec"]["selector"]["matchLabels"] == {
        "app.kubernetes.io/instance": "orders-api-v7"
    }
    template = found["spec"]["template"]
    assert template["metadata"]["labels"]["platformatic.dev/monitor"] == "prometheus"
    assert template["metadata"]["annotations"]["prometheus.io/port"] == "9090"
    assert template["spec"]["imagePullSecrets"] == [{"name": "orders-api-v7-pull"}]
    assert container["image"] == "reg.example.com/team/orders-api:7"
    assert [port["containerPort"] for port in container["ports"]] == [3042, 9090]
    assert container["readinessProbe"]["httpGet"] == {
        "path": "/ready",
        "port": "metrics",
        "scheme": "HTTP",
    }
    assert container["livenessProbe"]["httpGet"]["path"] == "/status"
    assert [variable["name"] for variable in container["env"]] == [
        "FEATURE_X",
        "PLT_DEPLOYMENT_VERSION",
        "PLT_INSTANCE_ID",
    ]
    assert container["resources"]["limits"] == {"memory": "1Gi", "cpu": "750m"}


def test_a_name_and_an_image_are_sufficient():
    least = workload.read({"name": "web", "image": "r.example/web:1"})
    found = workload.deployment(least)

    [container] = found["spec"]["template"]["spec"]["containers"]
    assert workload.pull_secret(least) is None
    assert workload.initial(least) == {"replicas": 1}
    assert found["metadata"]["labels"]["app.kubernetes.io/name"] == "web"
    assert "readinessProbe" not in container
    assert [port["port"] for port in workload.service(least)["spec"]["ports"]] == [3042, 9090]


def test_null_counts_as_absent():
    nothing = dict.fromkeys(
        ["hostname", "minReplicas", "pullSecret", "ports", "resources", "healthCheck", "labels"]
    )

    assert workload.read({"name": "web", "image": "i", **nothing}) == workload.read(
        {"name": "web", "image": "i"}
    )


def test_the_platforms_variable_overrides_one_of_the_same_name():
    least = workload.read(
        {
            "name": "web",
            "image": "i",
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}],
            "platformEnv": [{"name": "A", "value": "2"}],
        }
    )

    [container] = workload.deployment(least)["spec"]["template"]["spec"]["containers"]
    assert {each["name"]: each.get("value") for each in container["env"]} == {
        "A": "2",
        "B": "1",
        "PLT_INSTANCE_ID": None,
    }


def expanded(value: str, variables: dict[str, str]) -> str:
    """Expand a value by the kubelet's rule."""

    def see(found: re.Match[str]) -> str:
        name = found["name"]
        return "$" if name is None else variables.get(name, found[0])

    return re.sub(r"\$\$|\$\((?P<name>[^)]*)\)", see, value)


@pytest.mark.parametrize(
    "value",
    ["pa$$word", "say $(GREETING)", "$", "$$", "$$$(GREETING)", "a$(b", "$(GREETING)$", "$5 $$5"],
)
def test_a_dollar_sign_arrives_unchanged(value):
    values = {"GREETING": "hello", "VALUE": value}
    env = [{"name": name, "value": each} for name, each in values.items()]

    found = workload.deployment(workload.read({"name": "web", "image": "i", "env": env}))

    [container] = found["spec"]["template"]["spec"]["containers"]
    written = {each["name"]: each.get("value") for each in container["env"]}
    assert expanded(written["VALUE"], values) == value


WRONG = [
    ({"name": "orders-1.2.3"}, "workload.name: expected a name that a Service can have"),
    ({"name": "7up"}, "workload.name: expected a name that a Service can have"),
    ({"name": "x" * 64}, "workload.name: expected a name that a Service can have"),
    ({"image": ""}, "workload.image: "),
    ({"image": None}, "workload: Object missing required field `image`"),
    ({"ports": {"app": 0}}, "workload.ports.app: "),
    ({"ports": {"app": 9090}}, "workload.ports: expected two different ports"),
    ({"minReplicas": -1}, "workload.minReplicas: "),
    ({"healthCheck": {"port": "other"}}, "workload.healthCheck.port: "),
    ({"env": [{"name": "A", "value": 7}]}, "workload.env[0].value: "),
    ({"pullSecret": {"registry": "r", "username": "u"}}, "workload.pullSecret: Object missing"),
    ({"labels": {"app.kubernetes.io/instance": "else"}}, "expected the workload's name"),
    ({"labels": {"a b": "c"}}, "workload.labels: expected a Kubernetes label key"),
    ({"labels": {"a": "b c"}}, "workload.labels.a: expected a Kubernetes label value"),
]


@pytest.mark.parametrize(("wrong", "expected"), WRONG, ids=range(len(WRONG)))
async def test_an_unsupported_workload_is_invalid_before_anything_is_applied(
    provider, cluster, call, wrong, expected
):
    with pytest.raises(Fault) as raised:
        await provider.apply_workload(operation(**{"labels": {}} | wrong), call())

    assert raised.value.code is Code.INVALID
    assert expected in raised.value.message
    assert CANARY not in raised.value.message
    assert len(cluster.calls) == 0


async def test_a_workload_becomes_a_secret_a_deployment_and_a_service(provider, cluster, call):
    answer = await provider.apply_workload(operation(), call())

    assert answer == {
        "name": "orders-api-v7",
        "created": True,
        "endpoint": {"hostname": "orders-api-v7.default.svc", "port": 3042},
    }
    assert [each.method for each in cluster.calls] == ["PATCH", "GET", "POST", "GET", "POST"]
    secret = cluster.read("secrets", "orders-api-v7-pull")
    config = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))
    assert config["auths"]["reg.example.com"] == {
        "username": "ci",
        "password": CANARY,
        "auth": base64.b64encode(f"ci:{CANARY}".encode()).decode(),
    }
    machines = await provider.get_machines(
        api.GetMachines("default", {"app.kubernetes.io/instance": "orders-api-v7"}), call()
    )
    assert len(machines) == 2
    [endpoint] = await provider.get_services_by_labels(
        api.GetServicesByLabels("default", {"app.kubernetes.io/name": "orders-api"}), call()
    )
    assert endpoint.ports[0].port == 3042


async def test_the_replica_count_is_kept_when_a_workload_is_applied_again(provider, cluster, call):
    await provider.apply_workload(operation(), call())
    await provider.update_controller_replicas(
        api.UpdateControllerReplicas("default", "orders-api-v7", 5), call()
    )

    answer = await provider.apply_workload(operation(image="reg.example.com/x:8"), call())

    found = cluster.read("deployments.apps", "orders-api-v7")
    assert answer["created"] is False
    assert found["spec"]["replicas"] == 5
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "reg.example.com/x:8"


async def test_applying_the_same_workload_again_starts_no_roll_out(provider, cluster, call):
    await provider.apply_workload(operation(), call())
    first = cluster.read("deployments.apps", "orders-api-v7")["metadata"]["generation"]

    await provider.apply_workload(operation(), call())

    assert cluster.read("deployments.apps", "orders-api-v7")["metadata"]["generation"] == first


@pytest.mark.parametrize(
    ("broken", "done"),
    [
        ("/deployments", 'the Secret "orders-api-v7-pull"'),
        ("/services", 'the Secret "orders-api-v7-pull" and the Deployment "orders-api-v7"'),
    ],
)
async def test_a_failed_step_is_reported_and_a_repeat_completes_the_rest(
    provider, cluster, call, broken, done
):
    refused = {"kind": "Status", "message": "frozen", "reason": "Forbidden", "code": 403}
    fault = cluster.faults.add(method="POST", path=broken, status=403, body=refused, times=None)

    with pytest.raises(Fault) as raised:
        await provider.apply_workload(operation(), call())
    assert raised.value.code is Code.PLATFORM_FORBIDDEN
    assert "frozen" in raised.value.message
    assert f"Already applied: {done}; repeating the request completes" in raised.value.message
    assert CANARY not in raised.value.message

    cluster.faults.remove(fault)
    await provider.apply_workload(operation(), call())
    assert cluster.read("services", "orders-api-v7")
    assert cluster.read("deployments.apps", "orders-api-v7")["spec"]["replicas"] == 2


async def test_a_step_rejected_after_another_does_not_end_as_not_attempted(provider, cluster):
    cluster.faults.add(path="/services", status=429, headers={"retry-after": "60"}, times=None)

    with pytest.raises(Fault, match="may have had an effect") as raised:
        await provider.apply_workload(operation(), Call.within(50))

    assert raised.value.code is Code.PLATFORM_FAILED


async def test_the_pull_secret_is_in_no_fault(provider, cluster):
    quoting = {"kind": "Status", "message": f"bad value {CANARY}", "code": 422}
    cluster.faults.add(path="/secrets", status=422, body=quoting, times=None)

    with pytest.raises(Fault) as raised:
        await provider.apply_workload(operation(), Call.within(50))

    assert CANARY not in raised.value.message
