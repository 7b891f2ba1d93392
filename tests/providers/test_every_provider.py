"""Machines, scaling and failures, for every provider."""

from collections.abc import Callable

import pytest

from contracts import api
from contracts.faults import Code, Fault
from contracts.resources import Controller, Machine
from tests.providers.platforms import Platform
from worker.provider import Call, Port


async def machines_of(
    provider: Port, platform: Platform, call: Callable[[], Call], **labels: str
) -> list[Machine]:
    return await provider.get_machines(api.GetMachines(platform.scope, labels), call())


async def scale(
    provider: Port, platform: Platform, name: str, replicas: int, call: Call
) -> Controller:
    return await provider.update_controller_replicas(
        api.UpdateControllerReplicas(platform.scope, name, replicas), call
    )


async def test_a_listed_machine_equals_the_machine_by_its_id(platform, provider, call):
    platform.run("shop", 2, {"plt.dev/version": "1"})

    for listed in await machines_of(provider, platform, call):
        alone = await provider.get_machine(api.GetMachine(platform.scope, listed.id), call())
        assert alone == listed
        assert alone.controller.name == "shop"
        assert alone.labels["plt.dev/version"] == "1"
        assert alone.ready


async def test_an_empty_scope_has_no_machines(platform, provider, call):
    assert await machines_of(provider, platform, call) == []


async def test_a_list_by_labels_has_the_machines_with_all_labels(platform, provider, call):
    platform.run("blue", 2, {"app": "shop", "track": "blue"})
    platform.run("green", 3, {"app": "shop", "track": "green"})
    platform.run("other", 1, {"app": "other", "track": "green"})

    async def found(**labels: str) -> list[str]:
        machines = await machines_of(provider, platform, call, **labels)
        return sorted(machine.controller.name for machine in machines if machine.controller)

    assert await found(track="green") == ["green"] * 3 + ["other"]
    assert await found(app="shop", track="green") == ["green"] * 3
    assert await found(app="shop", track="red") == []
    assert len(await found()) == 6


async def test_a_list_of_several_pages_is_complete(platform, provider, call):
    platform.run("big", platform.page + 3, {})

    machines = await machines_of(provider, platform, call)

    assert len({machine.id for machine in machines}) == len(machines) == platform.page + 3


async def test_a_controller_has_its_own_machines(platform, provider, call):
    platform.run("one", 1, {})
    platform.run("two", 2, {})

    found = await provider.get_controller(api.GetController(platform.scope, "two"), call())

    assert (found.controller.name, found.controller.replicas) == ("two", 2)
    assert len(found.controller.machines) == 2
    assert {machine.controller.name for machine in found.controller.machines} == {"two"}


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (2, 0), (0, 2), (2, 2)])
async def test_the_new_size_is_read_after_scaling(platform, provider, call, before, after):
    platform.run("web", before, {})
    run = call()

    scaled = await scale(provider, platform, "web", after, run)

    assert (scaled.name, scaled.replicas) == ("web", after)
    assert run.after["replicas"] == after
    assert platform.size("web") == after
    found = await provider.get_controller(api.GetController(platform.scope, "web"), call())
    assert found.controller.replicas == after


async def test_scaling_twice_has_one_effect(platform, provider, call):
    platform.run("web", 1, {})

    await scale(provider, platform, "web", 3, call())
    await scale(provider, platform, "web", 3, call())

    assert platform.size("web") == 3


async def test_a_controller_is_found_again_by_its_provider_metadata(platform, provider, call):
    platform.run("web", 1, {})
    found = await provider.get_controller(api.GetController(platform.scope, "web"), call())
    metadata = found.controller.provider_metadata

    again = await provider.get_controller(
        api.GetController(platform.scope, "web", metadata.get("kind"), metadata.get("apiVersion")),
        call(),
    )

    assert again == found


async def test_absent_machines_and_controllers_are_not_found(platform, provider, call):
    absent = [
        provider.get_machine(api.GetMachine(platform.scope, "absent"), call()),
        provider.get_controller(api.GetController(platform.scope, "absent"), call()),
        scale(provider, platform, "absent", 1, call()),
    ]

    for attempt in absent:
        with pytest.raises(Fault) as raised:
            await attempt
        assert raised.value.code is Code.NOT_FOUND
        assert "absent" in raised.value.message


async def test_a_platform_that_keeps_throttling_is_platform_limiting_without_effect(
    platform, provider, call
):
    platform.run("web", 1, {})
    platform.throttle(times=None)

    # The retry-after would pass these deadlines, so the first refusal ends the calls.
    for attempt in (
        machines_of(provider, platform, lambda: Call.within(1)),
        scale(provider, platform, "web", 3, Call.within(1)),
    ):
        with pytest.raises(Fault) as raised:
            await attempt
        assert raised.value.code is Code.PLATFORM_LIMITING
        assert raised.value.retry_after is not None

    assert platform.size("web") == 1


async def test_the_fault_names_a_missing_permission(platform, provider, call):
    platform.run("web", 1, {})
    platform.deny()

    with pytest.raises(Fault, match=r"patch|UpdateService") as raised:
        await scale(provider, platform, "web", 3, call())

    assert raised.value.code is Code.PLATFORM_FORBIDDEN
    assert platform.size("web") == 1


async def test_a_throttled_request_is_retried(platform, provider, call):
    platform.run("web", 1, {})
    platform.throttle(times=1)

    await scale(provider, platform, "web", 2, call())

    assert platform.size("web") == 2


async def test_a_request_with_a_lost_response_is_retried(platform, provider, call):
    platform.run("web", 1, {})
    platform.cut(times=1)

    scaled = await scale(provider, platform, "web", 2, call())

    assert scaled.replicas == platform.size("web") == 2


async def test_a_command_with_lost_responses_is_platform_failed(platform, provider):
    platform.run("web", 1, {})
    platform.cut(times=None)

    with pytest.raises(Fault) as raised:
        await scale(provider, platform, "web", 2, Call.within(1))

    assert raised.value.code is Code.PLATFORM_FAILED


@pytest.mark.parametrize(
    "name", ["a/b", "..", "a%2Fb", "a?b", "a#b", "a b", "a\x00b", "ä", "a" * 600]
)
async def test_an_invalid_name_does_not_reach_the_platform(platform, provider, call, name):
    with pytest.raises(Fault) as raised:
        await scale(provider, platform, name, 1, call())

    assert raised.value.code is Code.INVALID
    assert platform.writes == 0


@pytest.mark.parametrize("labels", [{"": "x"}, {"a": "b,c"}, {"a": "x" * 300}, {"a\x00": "x"}])
async def test_invalid_labels_do_not_reach_the_platform(platform, provider, call, labels):
    platform.run("web", 1, {})
    [machine] = await machines_of(provider, platform, call)
    before = platform.writes

    for attempt in (
        provider.get_machines(api.GetMachines(platform.scope, labels), call()),
        provider.set_machine_labels(
            api.SetMachineLabels(platform.scope, machine.id, labels), call()
        ),
    ):
        with pytest.raises(Fault) as raised:
            await attempt
        assert raised.value.code is Code.INVALID

    assert platform.writes == before


async def test_no_change_is_made_after_the_deadline(platform, provider):
    platform.run("web", 1, {})

    with pytest.raises(Fault) as raised:
        await scale(provider, platform, "web", 2, Call.within(0))

    assert raised.value.code is Code.DEADLINE_EXCEEDED
    assert platform.size("web") == 1
