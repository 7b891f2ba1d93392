"""Promise 7: expired, rejected and refused commands have an outcome, also if a gateway dies."""

import asyncio
from collections.abc import Callable

import msgspec

from contracts import topology
from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from contracts.faults import Code
from contracts.outcomes import Result
from contracts.topology import DEAD, DELIVERY_LIMIT, ENDED
from contracts.wire import Message
from tests.auditor import Auditor
from tests.broker.attempts import run_session
from tests.producer import announcement, publish, scale_event
from tests.stack import Gateway, Stack, eventually, in_thread


def declared(amqp_url: str) -> None:
    """Declare the topology of the provider without a worker."""

    async def session(connection: Connection) -> None:
        await declare(connection, topology.common())
        await declare(connection, topology.of_provider("k8s"))

    run_session(amqp_url, session)


def expiring(number: int, milliseconds: int) -> Message:
    """Return an event with a TTL."""
    event = scale_event(f"hello-{number}", number)
    return msgspec.structs.replace(event, expiration=milliseconds)


def recording(stack: Stack, **variables: str) -> Gateway:
    """Start a gateway and wait for its recorder; the first recorder is the active one."""
    gateway = stack.gateway(**variables)
    eventually(lambda: " recorder: " in gateway.log.read_text(), what="the recorder is ready")
    return gateway


def dead_letters(amqp_url: str, number: int) -> list[Message]:
    """Consume a number of messages from `machinist.dead`."""
    found: list[Message] = []

    async def session(connection: Connection) -> None:
        channel, inbox = await connection.channel(), asyncio.Queue[Delivery]()
        await channel.consume(DEAD, inbox.put_nowait, prefetch=number)
        while len(found) < number:
            delivery = await inbox.get()
            found.append(delivery.message)
            await channel.ack(delivery)

    run_session(amqp_url, session)
    return found


def waiting(amqp_url: str, queue: str) -> int:
    """Count the messages that are ready in a queue."""
    found = 0

    async def session(connection: Connection) -> None:
        nonlocal found
        found = await (await connection.channel()).messages(queue)

    run_session(amqp_url, session)
    return found


def test_a_command_that_expired_in_a_frozen_worker_is_recorded_as_expired(stack: Stack) -> None:
    gateway, [worker] = stack.serving(PLT_DEADLINE_MS="commands=1000")
    eventually(lambda: gateway.scale("hello", 4).status_code == 200)
    with Auditor(stack.amqp_url) as auditor:
        worker.freeze()
        assert gateway.scale("hello", 9).status_code == 504
        worker.kill()

        eventually(auditor.outcomes, what="an outcome")
        outcome = auditor.outcomes()[0][1]

    assert (outcome.result, outcome.status) == (Result.EXPIRED, 504)
    assert outcome.requested_by == "127.0.0.1"
    assert outcome.operation == "update_controller_replicas"


def test_a_started_command_of_a_lost_worker_is_unknown_also_to_the_next_recorder(
    stack: Stack,
) -> None:
    worker = stack.worker()
    active = recording(stack)
    gateway = recording(stack, PLT_DEADLINE_MS="commands=4000")
    eventually(lambda: gateway.attended_by(1), what="the worker is attached")
    stack.sandbox.faults.add(method="PATCH", path="/hello$", delay=30, times=None)
    with Auditor(stack.amqp_url) as auditor:
        asking = in_thread(lambda: gateway.scale("hello", 9))
        eventually(lambda: stack.sandbox.calls.count("PATCH"), what="the command runs")
        worker.kill()
        active.kill()
        asking.result()

        started = auditor.outcomes()[0][1]
        outcome = auditor.final(started.id)

    assert started.result is Result.STARTED
    assert outcome.result is Result.UNKNOWN
    assert outcome.fault is not None
    assert outcome.fault.code is Code.DEADLINE_EXCEEDED


def test_another_recorder_takes_over_from_a_killed_gateway_without_loss(
    stack: Stack,
) -> None:
    declared(stack.amqp_url)
    active = recording(stack)
    recording(stack)
    events = [expiring(number, 200 + 5 * number) for number in range(200)]
    with Auditor(stack.amqp_url) as auditor:
        assert publish(stack.amqp_url, events) == 0
        eventually(lambda: len(auditor.outcomes()) > 20, what="the first are recorded")
        active.kill()
        assert len(auditor.outcomes()) < len(events)

        results = {auditor.final(event.message_id).result for event in events}

    assert results == {Result.EXPIRED}
    assert len(auditor.outcomes()) <= 2 * len(events)


def test_a_command_over_the_delivery_limit_is_dead_with_a_reason(
    stack: Stack,
) -> None:
    declared(stack.amqp_url)
    recording(stack)
    event = scale_event("hello", 3)
    queue = topology.partition_queue("k8s", int(event.key.split(".")[1]))

    async def redeliver(connection: Connection) -> None:
        for _ in range(DELIVERY_LIMIT + 1):
            channel, inbox = await connection.channel(), asyncio.Queue[Delivery]()
            await channel.consume(queue, inbox.put_nowait, prefetch=1)
            await inbox.get()
            await channel.close()

    with Auditor(stack.amqp_url) as auditor:
        publish(stack.amqp_url, [event])
        run_session(stack.amqp_url, redeliver)
        outcome = auditor.final(event.message_id)
    [letter] = dead_letters(stack.amqp_url, 1)

    assert outcome.result is Result.DEAD
    assert outcome.fault is not None
    assert "more than 20 times" in outcome.fault.message
    assert letter.headers["reason"] == outcome.fault.message
    assert letter.headers["queue"] == queue
    assert (letter.body, letter.message_id) == (event.body, event.message_id)


def test_every_outcome_is_published_although_the_dead_letter_queue_is_full(
    stack: Stack, limit_queues: Callable[..., None]
) -> None:
    declared(stack.amqp_url)
    gateway = recording(stack)
    limit_queues(r"^machinist\.dead$", max_length=1, overflow="reject-publish")
    event = scale_event("hello", 3)
    events = [msgspec.structs.replace(event, message_id=f"event-{n}") for n in range(20)]
    queue = topology.partition_queue("k8s", int(event.key.split(".")[1]))

    async def reject(connection: Connection) -> None:
        channel, inbox = await connection.channel(), asyncio.Queue[Delivery]()
        await channel.consume(queue, inbox.put_nowait, prefetch=len(events))
        for _ in events:
            await channel.reject(await inbox.get())
        await channel.round_trip()

    with Auditor(stack.amqp_url) as auditor:
        publish(stack.amqp_url, events)
        run_session(stack.amqp_url, reject)
        results = {auditor.final(each.message_id).result for each in events}

    assert results == {Result.DEAD}
    assert waiting(stack.amqp_url, DEAD) < len(events)
    assert "a dead letter waits" in gateway.log.read_text()


def test_a_message_published_to_machinist_ended_directly_is_dead_and_blocks_nothing(
    stack: Stack,
) -> None:
    declared(stack.amqp_url)
    recording(stack)
    stranger = msgspec.structs.replace(scale_event("hello", 3), exchange="", key=ENDED)
    forged = msgspec.structs.replace(stranger, headers={"x-first-death-reason": "rejected"})
    event = expiring(1, 100)
    with Auditor(stack.amqp_url) as auditor:
        publish(stack.amqp_url, [stranger, forged, event])
        outcome = auditor.final(event.message_id)
    letters = dead_letters(stack.amqp_url, 2)

    assert outcome.result is Result.EXPIRED
    assert all(
        "did not come from a partition" in str(letter.headers["reason"]) for letter in letters
    )
    eventually(lambda: waiting(stack.amqp_url, ENDED) == 0, what="machinist.ended is empty")


def test_a_command_refused_by_a_full_partition_is_recorded_as_refused(
    stack: Stack, limit_queues: Callable[..., None]
) -> None:
    gateway, [worker] = stack.serving()
    limit_queues(r"^machinist\.k8s\.commands", max_length=1)
    worker.kill()  # a frozen worker would still take thousands of commands from the queue
    events = [scale_event("hello", number) for number in range(20)]
    eventually(lambda: publish(stack.amqp_url, events), what="the partition is full")
    publish(stack.amqp_url, [announcement()])
    with Auditor(stack.amqp_url) as auditor:
        answer = gateway.scale("hello", 777)

        assert (answer.status_code, answer.json()["code"]) == (503, "queue_full")
        eventually(auditor.outcomes, what="an outcome")
        outcome = auditor.outcomes()[0][1]

    assert (outcome.result, outcome.status) == (Result.REFUSED, 503)
    assert outcome.fault is not None
    assert outcome.fault.code is Code.QUEUE_FULL
    assert outcome.requested_by == "127.0.0.1"
