"""The fence: a worker starts and runs commands only while the broker answers."""

import asyncio

from tests.worker import virtual
from worker.fence import START_WITHIN_S, STOP_AFTER_S, Fence

HEARTBEAT_S = 10.0


class Alarm:
    """Records the times at which it was called."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def __call__(self) -> None:
        self.at.append(virtual.now())


def fenced() -> tuple[Fence, Alarm]:
    """Return a fence on virtual time, and its alarm."""
    alarm = Alarm()
    return Fence(alarm, virtual.now), alarm


async def silence(seconds: float) -> None:
    """Let time pass without an answer of the broker."""
    await asyncio.sleep(seconds)


def test_runs_are_cancelled_before_the_broker_hands_a_partition_over():
    """RabbitMQ closes a connection after two missed heartbeats."""
    assert START_WITHIN_S < STOP_AFTER_S < 2 * HEARTBEAT_S


@virtual.time
async def test_a_new_fence_is_closed():
    fence, alarm = fenced()

    assert not fence.may_start()
    assert not fence.may_go_on()
    assert alarm.at == []


@virtual.time
async def test_commands_may_start_for_eight_seconds_after_an_answer():
    fence, _ = fenced()
    fence.answered()
    assert fence.may_start()

    await silence(7.9)
    assert fence.may_start()

    await silence(0.2)
    assert not fence.may_start()


@virtual.time
async def test_commands_may_go_on_for_fifteen_seconds_after_an_answer():
    fence, _ = fenced()
    fence.answered()

    await silence(14.9)
    assert fence.may_go_on()
    assert not fence.may_start()

    await silence(0.2)
    assert not fence.may_go_on()


@virtual.time
async def test_runs_are_stopped_once_after_fifteen_seconds_of_silence():
    fence, alarm = fenced()
    answered_at = virtual.now()
    fence.answered()

    await silence(60)
    assert alarm.at == [answered_at + 15.0]


@virtual.time
async def test_every_answer_postpones_the_alarm():
    fence, alarm = fenced()
    for _ in range(20):
        fence.answered()
        await silence(2)
    assert alarm.at == []
    assert fence.may_start()

    await silence(13.1)
    assert len(alarm.at) == 1


@virtual.time
async def test_an_answer_after_the_alarm_opens_the_fence():
    fence, alarm = fenced()
    fence.answered()
    await silence(20)
    fence.answered()

    assert fence.may_start()
    await silence(15.1)
    assert len(alarm.at) == 2


@virtual.time
async def test_a_command_waits_until_the_fence_opens():
    fence, _ = fenced()
    waiting = asyncio.create_task(fence.opened())
    await silence(30)
    assert not waiting.done()

    fence.answered()
    await waiting


@virtual.time
async def test_one_answer_ends_the_wait_of_all_commands():
    fence, _ = fenced()
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(fence.opened())
        await silence(1)
        fence.answered()


@virtual.time
async def test_an_open_fence_is_passed_at_once():
    fence, _ = fenced()
    fence.answered()
    began = virtual.now()

    await fence.opened()
    assert virtual.now() == began


@virtual.time
async def test_a_shut_fence_lets_no_command_start_and_running_commands_go_on():
    fence, alarm = fenced()
    fence.answered()
    fence.shut()
    waiting = asyncio.create_task(fence.opened())
    for _ in range(10):
        await silence(2)
        fence.answered()

    assert not fence.may_start()
    assert fence.may_go_on()
    assert not waiting.done()
    assert alarm.at == []
    waiting.cancel()


@virtual.time
async def test_a_closed_fence_has_no_alarm():
    fence, alarm = fenced()
    fence.close()
    fence.answered()
    fence.close()

    await silence(60)
    assert alarm.at == []


@virtual.time
async def test_silence_counts_from_the_request_and_not_from_reading_its_answer():
    """The request is the last sign of a frozen worker that the broker received."""
    fence, alarm = fenced()
    await silence(7)
    fence.answered(7.0)

    await silence(1.1)
    assert not fence.may_start()
    await silence(7)
    assert not fence.may_go_on()
    assert alarm.at == [1015.0]
