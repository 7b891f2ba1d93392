"""Controllers and labels of machines, for every provider."""

from collections.abc import Callable

import pytest
from msgspec import UNSET

from contracts import api
from contracts.faults import Code, Fault
from tests.providers.platforms import Platform
from worker.provider import Call, Port


async def controllers_of(
    provider: Port, platform: Platform, call: Callable[[], Call], machine: str | None = None
) -> dict[str, int]:
    found = await provider.get_controllers(api.GetControllers(platform.scope, machine), call())
    return {each.name: each.replicas for each in found.controllers}


async def test_all_controllers_of_a_scope_are_listed(platform, provider, call):
    platform.run("one", 1, {})
    platform.run("three", 3, {})

    assert await controllers_of(provider, platform, call) == {"one": 1, "three": 3}


async def test_only_a_single_controller_is_returned_with_its_machines(platform, provider, call):
    platform.run("web", 2, {})
    [machine, _] = await provider.get_machines(api.GetMachines(platform.scope), call())

    for operation in (
        api.GetControllers(platform.scope),
        api.GetControllers(platform.scope, machine.id),
    ):
        [listed] = (await provider.get_controllers(operation, call())).controllers
        assert listed.machines is UNSET
    one = await provider.get_controller(api.GetController(platform.scope, "web"), call())
    assert len(one.controller.machines) == 2


async def test_an_empty_scope_has_no_controllers(platform, provider, call):
    assert await controllers_of(provider, platform, call) == {}


async def test_a_controller_that_is_scaled_to_zero_is_listed(platform, provider, call):
    platform.run("on", 1, {})
    platform.run("off", 0, {})

    assert await controllers_of(provider, platform, call) == {"on": 1, "off": 0}


async def test_the_controller_of_a_machine_is_found_by_the_machines_id(platform, provider, call):
    platform.run("one", 1, {})
    platform.run("two", 2, {})

    for machine in await provider.get_machines(api.GetMachines(platform.scope), call()):
        name = machine.controller.name
        found = await controllers_of(provider, platform, call, machine.id)
        assert found == {name: {"one": 1, "two": 2}[name]}


async def test_a_machine_without_a_controller_has_none(platform, provider, call):
    platform.run_without_controller()

    [machine] = await provider.get_machines(api.GetMachines(platform.scope), call())

    assert machine.controller is UNSET
    assert await controllers_of(provider, platform, call, machine.id) == {}


async def test_the_controller_of_a_machine_can_be_scaled_by_its_provider_metadata(
    platform, provider, call
):
    platform.run("web", 1, {})
    [machine] = await provider.get_machines(api.GetMachines(platform.scope), call())
    found = await provider.get_controllers(api.GetControllers(platform.scope, machine.id), call())
    [controller] = found.controllers
    metadata = controller.provider_metadata

    scaled = await provider.update_controller_replicas(
        api.UpdateControllerReplicas(
            platform.scope, controller.name, 2, metadata.get("kind"), metadata.get("apiVersion")
        ),
        call(),
    )

    assert scaled.replicas == platform.size("web") == 2


async def test_a_deleted_controller_is_not_found(platform, provider, call):
    platform.run("web", 2, {})

    answer = await provider.delete_controller(api.DeleteController(platform.scope, "web"), call())

    assert answer == {"name": "web", "deleted": True}
    with pytest.raises(Fault) as raised:
        await provider.get_controller(api.GetController(platform.scope, "web"), call())
    assert raised.value.code is Code.NOT_FOUND
    assert "web" not in await controllers_of(provider, platform, call)


async def test_the_deletion_of_an_absent_controller_is_not_found(platform, provider, call):
    with pytest.raises(Fault, match="absent") as raised:
        await provider.delete_controller(api.DeleteController(platform.scope, "absent"), call())

    assert raised.value.code is Code.NOT_FOUND


async def test_labels_of_a_machine_are_set_and_removed_and_others_stay(platform, provider, call):
    platform.run("web", 1, {"track": "blue", "old": "1"})
    [machine] = await provider.get_machines(api.GetMachines(platform.scope), call())

    answer = await provider.set_machine_labels(
        api.SetMachineLabels(platform.scope, machine.id, {"new": "2", "old": None}), call()
    )

    assert answer.labels == {"new": "2", "old": None}
    again = await provider.get_machine(api.GetMachine(platform.scope, machine.id), call())
    assert again.labels["new"] == "2"
    assert again.labels["track"] == "blue"
    assert "old" not in again.labels


async def test_labels_of_an_absent_machine_are_not_found(platform, provider, call):
    with pytest.raises(Fault, match="absent") as raised:
        await provider.set_machine_labels(
            api.SetMachineLabels(platform.scope, "absent", {"a": "b"}), call()
        )

    assert raised.value.code is Code.NOT_FOUND
