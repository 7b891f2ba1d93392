"""The fence: a worker acts only while the broker is known to hear it."""

import asyncio

from tests.worker import virtual
from worker.fence import START_WITHIN_S, STOP_AFTER_S, Fence

HEARTBEAT_S = 10.0


class Alarm:
    """Notes when it went off."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def __call__(self) -> None:
        self.at.append(virtual.now())


def fenced() -> tuple[Fence, Alarm]:
    """A fence on the time of the loop, and its alarm."""
    alarm = Alarm()
    return Fence(alarm, virtual.now), alarm


async def silence(seconds: float) -> None:
    """Let time pass in which the broker says nothing."""
    await asyncio.sleep(seconds)


def test_everything_stops_before_the_broker_hands_over():
    """RabbitMQ closes a connection after two heartbeats without a word."""
    assert START_WITHIN_S < STOP_AFTER_S < 2 * HEARTBEAT_S


def test_it_is_closed_until_the_broker_answers():
    async def test():
        fence, alarm = fenced()

        assert not fence.may_start()
        assert not fence.may_go_on()
        assert alarm.at == []

    virtual.run(test)


def test_an_answer_opens_it_for_eight_seconds():
    async def test():
        fence, _ = fenced()
        fence.answered()
        assert fence.may_start()

        await silence(7.9)
        assert fence.may_start()

        await silence(0.2)
        assert not fence.may_start()

    virtual.run(test)


def test_what_runs_may_go_on_for_fifteen_seconds():
    async def test():
        fence, _ = fenced()
        fence.answered()

        await silence(14.9)
        assert fence.may_go_on()
        assert not fence.may_start()

        await silence(0.2)
        assert not fence.may_go_on()

    virtual.run(test)


def test_after_fifteen_seconds_of_silence_it_stops_what_runs_once():
    async def test():
        fence, alarm = fenced()
        answered_at = virtual.now()
        fence.answered()

        await silence(60)
        assert alarm.at == [answered_at + 15.0]

    virtual.run(test)


def test_every_answer_puts_the_alarm_off():
    async def test():
        fence, alarm = fenced()
        for _ in range(20):
            fence.answered()
            await silence(2)
        assert alarm.at == []
        assert fence.may_start()

        await silence(13.1)
        assert len(alarm.at) == 1

    virtual.run(test)


def test_an_answer_after_the_alarm_opens_it_again():
    async def test():
        fence, alarm = fenced()
        fence.answered()
        await silence(20)
        fence.answered()

        assert fence.may_start()
        await silence(15.1)
        assert len(alarm.at) == 2

    virtual.run(test)


def test_a_command_waits_until_it_opens():
    async def test():
        fence, _ = fenced()
        waiting = asyncio.create_task(fence.opened())
        await silence(30)
        assert not waiting.done()

        fence.answered()
        await waiting

    virtual.run(test)


def test_all_that_wait_are_let_through_by_one_answer():
    async def test():
        fence, _ = fenced()
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(fence.opened())
            await silence(1)
            fence.answered()

    virtual.run(test)


def test_nobody_waits_while_it_is_open():
    async def test():
        fence, _ = fenced()
        fence.answered()
        began = virtual.now()

        await fence.opened()
        assert virtual.now() == began

    virtual.run(test)


def test_shut_it_starts_nothing_whatever_the_broker_says_but_what_runs_goes_on():
    async def test():
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

    virtual.run(test)


def test_closed_it_has_no_alarm():
    async def test():
        fence, alarm = fenced()
        fence.close()
        fence.answered()
        fence.close()

        await silence(60)
        assert alarm.at == []

    virtual.run(test)


def test_silence_counts_from_the_question_not_from_when_its_answer_was_read():
    """What the broker last heard of a stalled worker is the question."""

    async def test():
        fence, alarm = fenced()
        await silence(7)
        fence.answered(7.0)

        await silence(1.1)
        assert not fence.may_start()
        await silence(7)
        assert not fence.may_go_on()
        assert alarm.at == [1015.0]

    virtual.run(test)
