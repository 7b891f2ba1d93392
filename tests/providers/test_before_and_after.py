"""The states `before` and `after` of every command on every platform."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from contracts import api
from contracts.operation import OPERATIONS
from tests import examples
from tests.providers.platforms import OBSERVED, Keys, Platform
from tests.providers.test_routing import plan, rule
from worker.dispatch import methods
from worker.provider import Call, Port

APP = "orders"
SERVICE = "orders-v7"
COMMANDS = [name for name, operation in OPERATIONS.items() if not operation.row.safe]
CREATING = ["apply_workload", "apply_route_plan"]
"""Commands of every platform that create an absent object."""


def command(name: str, scope: str, machine: str) -> Any:
    """Return a command on an object that `run` prepares, or on a new object."""
    own = {"app.kubernetes.io/instance": "web"}
    pod = {"metadata": {"labels": own}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": own}, "template": pod}
    controller = examples.manifest("Deployment", "new", apiVersion="apps/v1", spec=spec)
    ports = {"selector": own, "ports": [{"port": 80}]}
    secret = examples.manifest("Secret", "new", stringData={"token": "t0p"})
    backends = [{"backendRefs": [{"name": SERVICE, "port": 3042}]}]
    route = examples.manifest(
        "HTTPRoute",
        "new",
        apiVersion="gateway.networking.k8s.io/v1",
        spec={"hostnames": ["new.example"], "rules": backends},
    )
    return {
        "set_machine_labels": api.SetMachineLabels(scope, machine, {"new": "1", "old": None}),
        "update_controller_replicas": api.UpdateControllerReplicas(scope, SERVICE, 3),
        "apply_controller": api.ApplyController(scope, controller),
        "delete_controller": api.DeleteController(scope, SERVICE),
        "apply_service": api.ApplyService(scope, examples.manifest("Service", "new", spec=ports)),
        "delete_service": api.DeleteService(scope, SERVICE),
        "apply_secret": api.ApplySecret(scope, secret),
        "apply_http_route": api.ApplyHttpRoute(scope, route),
        "delete_http_route": api.DeleteHttpRoute(scope, APP),
        "apply_workload": api.ApplyWorkload(scope, examples.workload(SERVICE)),
        "apply_route_plan": api.ApplyRoutePlan(scope, plan(rule("v7"))),
    }[name]


async def run(
    name: str, platform: Platform, provider: Port, call: Callable[[], Call], times: int
) -> Call:
    """Run a command this many times, after its prerequisites; return the last call."""
    machine = ""
    if name == "set_machine_labels":
        platform.run("web", 1, {"old": "1"})
        [found] = await provider.get_machines(api.GetMachines(platform.scope), call())
        machine = found.id
    else:
        platform.gateway()
    perform = methods(provider)
    needed = {"apply_workload": [], "set_machine_labels": []}.get(name, ["apply_workload"])
    needed += ["apply_route_plan"] if name == "delete_http_route" else []
    for each in [*needed, *[name] * times]:
        last = call()
        await perform[each](command(each, platform.scope, machine), last)
    return last


def expected(name: str, platform: Platform) -> Keys:
    return platform.observed.get(name, OBSERVED[name])


def test_the_table_has_every_command():
    assert OBSERVED.keys() == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
async def test_every_command_observes_the_state_before_and_after(platform, provider, call, name):
    if name not in methods(provider):
        assert name in platform.unsupported
        return

    times = 2 if name.startswith("apply_") else 1
    last = await run(name, platform, provider, call, times)

    before, after = expected(name, platform)
    assert last.before is not None
    assert last.after is not None
    assert before <= last.before.keys()
    assert after <= last.after.keys()
    for observation in (last.before, last.after):
        assert len(msgspec.json.encode(observation)) <= 4096
        for value in observation.values():
            entries = value.values() if isinstance(value, dict) else value
            assert isinstance(value, str | int) or all(
                each is None or isinstance(each, str) for each in entries
            )


@pytest.mark.parametrize("name", CREATING)
async def test_a_created_object_did_not_exist_before(platform, provider, call, name):
    last = await run(name, platform, provider, call, 1)

    assert last.before == {"exists": False}
    assert last.after.keys() >= expected(name, platform)[1]


@pytest.mark.parametrize("name", ["delete_controller", "delete_http_route"])
async def test_a_deleted_object_does_not_exist_after(platform, provider, call, name):
    last = await run(name, platform, provider, call, 1)

    assert last.before.get("exists", True)
    assert last.after == {"exists": False}


async def test_replicas_is_the_wanted_number_and_not_the_running_number(platform, provider, call):
    await run("update_controller_replicas", platform, provider, call, 1)
    last = call()

    await provider.apply_workload(command("apply_workload", platform.scope, ""), last)

    assert last.before["replicas"] == last.after["replicas"] == platform.size(SERVICE) == 3
