"""Lanes: only the newest of the waiting scale events of an address is run."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from contracts import topology
from contracts.api import DeleteController, UpdateControllerReplicas
from contracts.outcomes import Result
from contracts.wire import Message
from tests.worker import virtual
from tests.worker.ledger import attending, busy, event, example, request

OLDER, NEWER = 2, 3

Build = Callable[[], Message]
"""Messages expire, so each test builds its own."""


def scale(replicas: int, identity: str, **fields: Any) -> Message:
    """A scale event with further fields."""
    values: dict[str, Any] = {"scope": "default", "name": "a", "replicas": replicas}
    operation = UpdateControllerReplicas(**values | fields)
    properties: dict[str, Any] = {"exchange": topology.EVENTS, "reply_to": None}
    return example("update_controller_replicas", operation, identity, **properties)


@virtual.time
async def test_a_flood_leaves_the_running_and_the_newest_command():
    async with attending() as (scene, w):
        await busy(scene, w, 10)
        for replicas in range(2, 1002):
            scene.last.deliver_message(event(replicas))
            await asyncio.sleep(0.001)
        unsettled = 1001 - len(scene.last.settled)
        await asyncio.sleep(30)

        assert unsettled == 2
        assert w.called == ["1", "1001"]
        assert len(scene.last.settled) == 1001
        assert [each.result for each in w.outcomes].count(Result.SUPERSEDED) == 999


@virtual.time
async def test_a_superseded_command_is_recorded_before_its_ack_and_the_newest_starts():
    async with attending() as (scene, w):
        await busy(scene, w)
        w.publisher.seconds["superseded"] = 5
        scene.last.deliver_message(event(OLDER))
        scene.last.deliver_message(event(NEWER))
        await asyncio.sleep(2)
        assert w.log == ["started a-1", "call 1", "done a-1", "ack a-1"]

        await asyncio.sleep(10)
        assert w.log[4:] == [
            "superseded a-2",
            "ack a-2",
            "started a-3",
            "call 3",
            "done a-3",
            "ack a-3",
        ]
        (outcome,) = [each for each in w.outcomes if each.result is Result.SUPERSEDED]
        assert outcome.superseded_by == "a-3"


@virtual.time
async def test_the_newest_command_waits_for_all_superseded_commands():
    async with attending() as (scene, w):
        await busy(scene, w)
        w.publisher.seconds["superseded"] = 9
        scene.last.deliver_message(event(2))
        scene.last.deliver_message(event(3))
        await asyncio.sleep(0.1)
        w.publisher.seconds["superseded"] = 3
        scene.last.deliver_message(event(4))
        await asyncio.sleep(5)
        assert w.called == ["1"]

        await asyncio.sleep(10)
        assert w.called == ["1", "4"]


@virtual.time
async def test_a_slow_record_of_one_address_delays_no_other_address():
    async with attending() as (scene, w):
        await busy(scene, w)
        w.publisher.seconds["superseded"] = 3600
        scene.last.deliver_message(event(OLDER))
        scene.last.deliver_message(event(NEWER))
        scene.last.deliver_message(event(7, "j"))
        await asyncio.sleep(5)

        assert w.called == ["1", "7"]


@virtual.time
async def test_a_running_command_is_never_superseded():
    async with attending() as (scene, w):
        await busy(scene, w)
        scene.last.deliver_message(event(NEWER))
        await asyncio.sleep(5)

        assert w.called == ["1", "3"]
        assert w.results("a-1") == [Result.STARTED, Result.DONE]


@virtual.time
async def test_the_first_command_of_a_lane_is_never_superseded():
    async with attending() as (scene, w):
        scene.last.deliver_message(event(OLDER))
        scene.last.deliver_message(event(NEWER))
        await asyncio.sleep(5)

        assert w.called == ["2", "3"]


WITH_REPLY_TO: dict[str, Any] = {"reply_to": "machinist.replies.p.1"}
WITH_KEY: dict[str, Any] = {"headers": {"idempotency-key": "k"}}
INVALID: dict[str, Any] = {"body": b"{}"}
DIFFERENT: dict[str, tuple[Build, Build]] = {
    "both by REST": (partial(request, OLDER), partial(request, NEWER)),
    "the newer by REST": (partial(event, OLDER), partial(request, NEWER)),
    "the older by REST": (partial(request, OLDER), partial(event, NEWER)),
    "the newer not an event": (
        partial(event, OLDER),
        partial(request, NEWER, reply_to=None),
    ),
    "the newer has a reply_to": (partial(event, OLDER), partial(event, NEWER, **WITH_REPLY_TO)),
    "the older has a reply_to": (partial(event, OLDER, **WITH_REPLY_TO), partial(event, NEWER)),
    "the older has a key": (partial(event, OLDER, **WITH_KEY), partial(event, NEWER)),
    "the newer has a key": (partial(event, OLDER), partial(event, NEWER, **WITH_KEY)),
    "another kind": (partial(scale, OLDER, "a-2", kind="Deployment"), partial(event, NEWER)),
    "another version": (partial(scale, OLDER, "a-2", api_version="v1"), partial(event, NEWER)),
    "the newer is invalid": (partial(event, OLDER), partial(event, NEWER, **INVALID)),
    "the older is invalid": (partial(event, OLDER, **INVALID), partial(event, NEWER)),
    "the newer has less time": (partial(event, OLDER), partial(event, NEWER, expiration=55_000)),
}


@pytest.mark.parametrize(("older", "newer"), DIFFERENT.values(), ids=DIFFERENT)
@virtual.time
async def test_commands_that_differ_in_more_than_replicas_are_never_superseded(older, newer):
    async with attending() as (scene, w):
        await busy(scene, w)
        scene.last.deliver_message(older())
        scene.last.deliver_message(newer())
        await asyncio.sleep(20)

        assert [name for _, name in scene.last.settled] == ["a-1", "a-2", "a-3"]
        assert Result.SUPERSEDED not in w.results("a-2")


@virtual.time
async def test_a_scope_in_another_spelling_is_not_superseded_at_the_same_address():
    async with attending() as (scene, w):
        arn = "arn:aws:ecs:eu-west-1:1:cluster/default"
        await busy(scene, w)
        scene.last.deliver_message(scale(OLDER, "a-2"))
        scene.last.deliver_message(scale(NEWER, "a-3", scope=arn))
        await asyncio.sleep(20)

        assert w.called == ["1", "2", "3"]


DELETE = DeleteController(scope="default", name="a")


@pytest.mark.parametrize(
    "between",
    [
        lambda: example("delete_controller", DELETE, "a-x"),
        lambda: scale(9, "a-x", kind="Deployment"),
        lambda: request(9),
        lambda: event(9, body=b"{}"),
    ],
    ids=["delete", "another kind", "REST", "invalid"],
)
@virtual.time
async def test_no_command_is_superseded_across_another_command(between):
    async with attending() as (scene, w):
        await busy(scene, w)
        messages = (event(OLDER), between(), event(NEWER))
        for message in messages:
            scene.last.deliver_message(message)
        await asyncio.sleep(20)

        settled = [name for _, name in scene.last.settled]
        assert settled == ["a-1", *(message.message_id for message in messages)]
        assert w.results("a-2") == w.results("a-3") == [Result.STARTED, Result.DONE]


@pytest.mark.parametrize("returns", [(1, 0), (0, 1), (1, 1)])
@virtual.time
async def test_a_redelivered_command_may_have_been_started_and_is_run(returns):
    async with attending() as (scene, w):
        await busy(scene, w)
        for replicas, times in zip((OLDER, NEWER), returns, strict=True):
            scene.last.deliver_message(event(replicas), returns=times)
        await asyncio.sleep(20)

        assert w.called == ["1", "2", "3"]


@virtual.time
async def test_events_with_nearly_the_same_time_left_supersede_each_other():
    """Deadlines of events without a deadline are counted from timestamps in whole seconds."""
    async with attending() as (scene, w):
        await busy(scene, w)
        scene.last.deliver_message(event(OLDER))
        scene.last.deliver_message(event(NEWER, expiration=59_500))
        await asyncio.sleep(20)

        assert w.called == ["1", "3"]
