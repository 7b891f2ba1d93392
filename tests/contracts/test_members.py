"""Unknown members of a specification: the error suggests the known member."""

from typing import Any

import pytest

from contracts.faults import Code, Fault
from contracts.neutral import route_plan, workload

FULL_WORKLOAD: dict[str, Any] = {
    "name": "orders-v7",
    "appName": "orders",
    "version": "v7",
    "deploymentVersion": "v7",
    "image": "registry.example/orders:7",
    "hostname": "orders.example",
    "isWorkflow": False,
    "minReplicas": 2,
    "maxReplicas": 6,
    "pullSecret": {"registry": "registry.example", "username": "ci", "password": "pw"},
    "ports": {"app": 3042, "metrics": 9090},
    "resources": {
        "requests": {"memory": "512Mi"},
        "limits": {"cpu": "750m", "nvidia.com/gpu": "1"},
    },
    "healthCheck": {"readyPath": "/ready", "livePath": "/status", "port": "metrics"},
    "env": [{"name": "FEATURE", "value": "on"}],
    "platformEnv": [{"name": "VERSION", "value": "v7"}],
    "labels": {"any": "label"},
}
FULL_PLAN: dict[str, Any] = {
    "appName": "orders",
    "hostname": "orders.example",
    "routingMode": "query",
    "generation": 12,
    "emittedAt": 1789000000000,
    "rules": [
        {
            "match": {"kind": "default"},
            "backend": {"serviceName": "orders-v7"},
            "versionId": "v7",
            "issueCookie": False,
        }
    ],
}
READ = {"workload": workload.read, "plan": route_plan.read}
FULL = {"workload": FULL_WORKLOAD, "plan": FULL_PLAN}


def with_member(value: Any, path: list[str | int], name: str) -> Any:
    """Return a copy of a JSON value with one more member in the object at a path."""
    if not path:
        return value | {name: "canary"}
    copy = value.copy()
    copy[path[0]] = with_member(copy[path[0]], path[1:], name)
    return copy


@pytest.mark.parametrize("of", READ)
def test_every_member_that_the_control_plane_sends_is_known(of):
    READ[of](FULL[of])


@pytest.mark.parametrize(
    ("of", "path", "name", "place", "meant"),
    [
        ("workload", [], "minreplicas", "workload", "minReplicas"),
        ("workload", [], "min_replicas", "workload", "minReplicas"),
        ("workload", [], "minReplica", "workload", "minReplicas"),
        ("workload", [], "replicas", "workload", "minReplicas"),
        ("workload", [], "tolerations", "workload", None),
        ("workload", [], "Image", "workload", "image"),
        ("workload", [], "pullSecrets", "workload", "pullSecret"),
        ("workload", [], "healthcheck", "workload", "healthCheck"),
        ("workload", ["pullSecret"], "passwd", "workload.pullSecret", "password"),
        ("workload", ["ports"], "metric", "workload.ports", "metrics"),
        ("workload", ["resources"], "limit", "workload.resources", "limits"),
        ("workload", ["healthCheck"], "path", "workload.healthCheck", "livePath"),
        ("workload", ["env", 0], "valueFrom", "workload.env[0]", None),
        ("workload", ["platformEnv", 0], "values", "workload.platformEnv[0]", "value"),
        ("plan", [], "host", "plan", "hostname"),
        ("plan", [], "app_name", "plan", "appName"),
        ("plan", ["rules", 0], "version", "plan.rules[0]", "versionId"),
        ("plan", ["rules", 0], "versionID", "plan.rules[0]", "versionId"),
        ("plan", ["rules", 0, "match"], "val", "plan.rules[0].match", "value"),
        ("plan", ["rules", 0, "backend"], "service", "plan.rules[0].backend", "serviceName"),
    ],
)
def test_an_unknown_member_is_invalid_and_the_most_similar_member_is_suggested(
    of, path, name, place, meant
):
    with pytest.raises(Fault) as raised:
        READ[of](with_member(FULL[of], path, name))

    assert raised.value.code is Code.INVALID
    message = raised.value.message
    assert message.startswith(f"{place}: unknown member '{name}', ")
    assert f"did you mean {meant}?" in message or meant is None
    assert "xpected one of " in message
    assert "canary" not in message


@pytest.mark.parametrize("value", [None, 7, [], "text", [[{"a": 1}]], {"a": {"b": 1}}])
@pytest.mark.parametrize("name", ["ports", "env", "pullSecret", "labels", "resources"])
def test_a_member_of_a_wrong_type_is_accepted_or_invalid(name, value):
    try:
        workload.read(FULL_WORKLOAD | {name: value})
    except Fault as fault:
        assert fault.code is Code.INVALID  # noqa: PT017 - some of the values are valid
