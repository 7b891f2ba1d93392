"""Lanes: of the scale events that wait for one address the newest is run, and no other."""

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
"""Messages expire: each is built in its test."""


def scale(replicas: int, identity: str, **fields: Any) -> Message:
    """A scale event with further fields."""
    values: dict[str, Any] = {"scope": "default", "name": "a", "replicas": replicas}
    operation = UpdateControllerReplicas(**values | fields)
    nobody: dict[str, Any] = {"exchange": topology.EVENTS, "reply_to": None}
    return example("update_controller_replicas", operation, identity, **nobody)


def test_a_flood_leaves_what_runs_and_the_newest():
    async def test():
        async with attending() as (scene, w):
            await busy(scene, w, 10)
            for replicas in range(2, 1002):
                scene.last.hand_over(event(replicas))
                await asyncio.sleep(0.001)
            in_hand = 1001 - len(scene.last.settled)
            await asyncio.sleep(30)

            assert in_hand == 2
            assert w.called == ["1", "1001"]
            assert len(scene.last.settled) == 1001
            assert [each.result for each in w.outcomes].count(Result.SUPERSEDED) == 999

    virtual.run(test)


def test_what_is_superseded_is_told_before_it_is_settled_and_before_the_newest_starts():
    async def test():
        async with attending() as (scene, w):
            await busy(scene, w)
            w.post.seconds["superseded"] = 5
            scene.last.hand_over(event(OLDER))
            scene.last.hand_over(event(NEWER))
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
            (told,) = [each for each in w.outcomes if each.result is Result.SUPERSEDED]
            assert told.superseded_by == "a-3"

    virtual.run(test)


def test_the_newest_waits_for_all_that_were_superseded():
    async def test():
        async with attending() as (scene, w):
            await busy(scene, w)
            w.post.seconds["superseded"] = 9
            scene.last.hand_over(event(2))
            scene.last.hand_over(event(3))
            await asyncio.sleep(0.1)
            w.post.seconds["superseded"] = 3
            scene.last.hand_over(event(4))
            await asyncio.sleep(5)
            assert w.called == ["1"]

            await asyncio.sleep(10)
            assert w.called == ["1", "4"]

    virtual.run(test)


def test_a_slow_record_of_one_address_holds_up_no_other():
    async def test():
        async with attending() as (scene, w):
            await busy(scene, w)
            w.post.seconds["superseded"] = 3600
            scene.last.hand_over(event(OLDER))
            scene.last.hand_over(event(NEWER))
            scene.last.hand_over(event(7, "j"))
            await asyncio.sleep(5)

            assert w.called == ["1", "7"]

    virtual.run(test)


def test_what_runs_is_never_superseded():
    async def test():
        async with attending() as (scene, w):
            await busy(scene, w)
            scene.last.hand_over(event(NEWER))
            await asyncio.sleep(5)

            assert w.called == ["1", "3"]
            assert w.results("a-1") == [Result.STARTED, Result.DONE]

    virtual.run(test)


def test_what_is_about_to_run_is_never_superseded():
    async def test():
        async with attending() as (scene, w):
            scene.last.hand_over(event(OLDER))
            scene.last.hand_over(event(NEWER))
            await asyncio.sleep(5)

            assert w.called == ["2", "3"]

    virtual.run(test)


AWAITED: dict[str, Any] = {"reply_to": "machinist.replies.p.1"}
KEYED: dict[str, Any] = {"headers": {"idempotency-key": "k"}}
SPOILED: dict[str, Any] = {"body": b"{}"}
DIFFERENT: dict[str, tuple[Build, Build]] = {
    "asked for by REST": (partial(request, OLDER), partial(request, NEWER)),
    "the newer by REST": (partial(event, OLDER), partial(request, NEWER)),
    "the older by REST": (partial(request, OLDER), partial(event, NEWER)),
    "the newer from elsewhere": (
        partial(event, OLDER),
        partial(request, NEWER, reply_to=None),
    ),
    "the newer is awaited": (partial(event, OLDER), partial(event, NEWER, **AWAITED)),
    "the older is awaited": (partial(event, OLDER, **AWAITED), partial(event, NEWER)),
    "the older has a key": (partial(event, OLDER, **KEYED), partial(event, NEWER)),
    "the newer has a key": (partial(event, OLDER), partial(event, NEWER, **KEYED)),
    "another kind": (partial(scale, OLDER, "a-2", kind="Deployment"), partial(event, NEWER)),
    "another version": (partial(scale, OLDER, "a-2", api_version="v1"), partial(event, NEWER)),
    "the newer cannot be run": (partial(event, OLDER), partial(event, NEWER, **SPOILED)),
    "the older cannot be run": (partial(event, OLDER, **SPOILED), partial(event, NEWER)),
    "the newer has less time": (partial(event, OLDER), partial(event, NEWER, expiration=55_000)),
}


@pytest.mark.parametrize(("older", "newer"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_differs_in_more_than_replicas_is_never_superseded(older, newer):
    async def test():
        async with attending() as (scene, w):
            await busy(scene, w)
            scene.last.hand_over(older())
            scene.last.hand_over(newer())
            await asyncio.sleep(20)

            assert [name for _, name in scene.last.settled] == ["a-1", "a-2", "a-3"]
            assert Result.SUPERSEDED not in w.results("a-2")

    virtual.run(test)


def test_a_scope_that_is_spelled_otherwise_is_another_one_though_the_address_is_the_same():
    async def test():
        async with attending() as (scene, w):
            arn = "arn:aws:ecs:eu-west-1:1:cluster/default"
            await busy(scene, w)
            scene.last.hand_over(scale(OLDER, "a-2"))
            scene.last.hand_over(scale(NEWER, "a-3", scope=arn))
            await asyncio.sleep(20)

            assert w.called == ["1", "2", "3"]

    virtual.run(test)


DELETE = DeleteController(scope="default", name="a")


@pytest.mark.parametrize(
    "between",
    [
        lambda: example("delete_controller", DELETE, "a-x"),
        lambda: scale(9, "a-x", kind="Deployment"),
        lambda: request(9),
        lambda: event(9, body=b"{}"),
    ],
    ids=["delete", "another kind", "REST", "spoiled"],
)
def test_nothing_is_superseded_across_another_command(between):
    async def test():
        async with attending() as (scene, w):
            await busy(scene, w)
            messages = (event(OLDER), between(), event(NEWER))
            for message in messages:
                scene.last.hand_over(message)
            await asyncio.sleep(20)

            settled = [name for _, name in scene.last.settled]
            assert settled == ["a-1", *(message.message_id for message in messages)]
            assert w.results("a-2") == w.results("a-3") == [Result.STARTED, Result.DONE]

    virtual.run(test)


@pytest.mark.parametrize("returns", [(1, 0), (0, 1), (1, 1)])
def test_what_was_delivered_before_may_have_been_started_and_is_run(returns):
    async def test():
        async with attending() as (scene, w):
            await busy(scene, w)
            for replicas, times in zip((OLDER, NEWER), returns, strict=True):
                scene.last.hand_over(event(replicas), returns=times)
            await asyncio.sleep(20)

            assert w.called == ["1", "2", "3"]

    virtual.run(test)


def test_events_with_nearly_the_same_time_left_supersede_each_other():
    """Deadlines of events that name none are counted from whole seconds."""

    async def test():
        async with attending() as (scene, w):
            await busy(scene, w)
            scene.last.hand_over(event(OLDER))
            scene.last.hand_over(event(NEWER, expiration=59_500))
            await asyncio.sleep(20)

            assert w.called == ["1", "3"]

    virtual.run(test)
