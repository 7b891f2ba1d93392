"""Deleted queues, exchanges and bindings are repaired or reported, and no command is lost."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest

from contracts import topology
from contracts.broker.connection import Connection
from contracts.broker.errors import BrokerError
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.outcomes import Result
from contracts.topology import Binding
from tests.auditor import Auditor
from tests.broker.users_vhost import users_vhost
from tests.producer import lasting_event, publish
from tests.scalings import scalings
from tests.stack import Gateway, Stack, eventually

NAMES = ("e", "a", "f", "b", "g", "c", "d", "k")
"""A controller in each slot."""

LONG_S = 1200
NOTICED_S = 30.0
PAUSE_S = 0.5

COMMON = topology.common()
PROVIDER = topology.of_provider("k8s")
EXCHANGES = [exchange.name for exchange in COMMON.exchanges]
QUEUES = [queue.name for queue in (*COMMON.queues, *PROVIDER.queues)]
BINDINGS = [*COMMON.bindings, *PROVIDER.bindings]


class Broker:
    """A virtual host, by the management API of the administrator."""

    def __init__(self, http: httpx.Client, amqp_url: str) -> None:
        self._http = http
        self._vhost = quote(amqp_url.rpartition("/")[2], safe="")

    def delete_queue(self, name: str) -> None:
        self._http.delete(f"/queues/{self._vhost}/{name}").raise_for_status()

    def has_queue(self, name: str) -> bool:
        return self._http.get(f"/queues/{self._vhost}/{name}").is_success

    def delete_exchange(self, name: str) -> None:
        self._http.delete(f"/exchanges/{self._vhost}/{name}").raise_for_status()

    def has_exchange(self, name: str) -> bool:
        return self._http.get(f"/exchanges/{self._vhost}/{name}").is_success

    def delete_binding(self, binding: Binding) -> None:
        for each in self._bindings(binding):
            key = quote(each["properties_key"], safe="")
            self._http.delete(f"{self._ends(binding)}/{key}").raise_for_status()

    def has_binding(self, binding: Binding) -> bool:
        return bool(self._bindings(binding))

    def replies_queues(self) -> list[str]:
        """Return the names of the replies queues of all gateways."""
        listed = self._http.get(f"/queues/{self._vhost}").json()
        return [each["name"] for each in listed if each["name"].startswith("machinist.replies.")]

    def messages(self, queue: str) -> httpx.Response:
        """Get the messages of a queue as the management UI shows them, and requeue them."""
        return self._http.post(
            f"/queues/{self._vhost}/{queue}/get",
            json={"count": 100, "ackmode": "ack_requeue_true", "encoding": "auto"},
        )

    def _ends(self, binding: Binding) -> str:
        kind = "e" if binding.to_exchange else "q"
        ends = f"e/{binding.source}/{kind}/{binding.destination}"
        return f"/bindings/{self._vhost}/{ends}"

    def _bindings(self, binding: Binding) -> list[dict[str, Any]]:
        answer = self._http.get(self._ends(binding))
        listed = answer.json() if answer.is_success else []
        return [each for each in listed if each["routing_key"] == binding.key]


@pytest.fixture
def broker(management: httpx.Client, amqp_url: str) -> Broker:
    return Broker(management, amqp_url)


class Load:
    """A producer that publishes events for every slot, and records accepted and refused ones."""

    def __init__(self, amqp_url: str) -> None:
        self.accepted: list[str] = []
        self.refused: list[str] = []
        self._link = ReconnectingConnection(amqp_url, "test load")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._link.run(self._session)))

    async def _session(self, connection: Connection) -> None:
        number = 0
        async with connection.passing_channel() as channel:
            while not self._stop.is_set():
                number += 1
                for name in NAMES:
                    event = lasting_event(name, number)
                    try:
                        await channel.publish(event, mandatory=True)
                    except BrokerError:
                        self.refused.append(event.message_id)
                    else:
                        self.accepted.append(event.message_id)
                await asyncio.sleep(PAUSE_S)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)


@contextmanager
def loaded(stack: Stack) -> Iterator[Gateway]:
    """A stack under load; at the end each accepted event has an outcome and no refused one ran."""
    for name in NAMES:
        stack.sandbox.add_deployment(name, replicas=0)
    gateway, _ = stack.serving()
    with Auditor(stack.amqp_url) as auditor:
        with Load(stack.amqp_url) as load:
            eventually(lambda: len(load.accepted) > 20, what="events are accepted")
            yield gateway
        for identity in load.accepted:
            assert auditor.final(identity, NOTICED_S).result in {Result.DONE, Result.DEAD}
        assert not [each for each in load.refused if auditor.of(each)]


def serves(gateway: Gateway) -> bool:
    """Tell whether the gateway is ready, and queries and commands of every slot succeed."""
    if gateway.ready().get("status") != "ready":
        return False
    answers = [gateway.get("/k8s/machines/default")]
    answers += [gateway.scale(name, 9) for name in NAMES]
    return {answer.status_code for answer in answers} == {200}


@pytest.mark.full
@pytest.mark.timeout(LONG_S)
def test_every_queue_deleted_under_load_is_declared_again(stack: Stack, broker: Broker) -> None:
    with loaded(stack) as gateway:
        for name in QUEUES:
            broker.delete_queue(name)
            expect_repair(gateway, partial(broker.has_queue, name), name)


@pytest.mark.full
@pytest.mark.timeout(LONG_S)
def test_every_exchange_deleted_under_load_is_declared_again(stack: Stack, broker: Broker) -> None:
    with loaded(stack) as gateway:
        for name in EXCHANGES:
            broker.delete_exchange(name)
            expect_repair(gateway, partial(broker.has_exchange, name), name)


@pytest.mark.full
@pytest.mark.timeout(LONG_S)
def test_every_binding_deleted_under_load_is_declared_again(stack: Stack, broker: Broker) -> None:
    with loaded(stack) as gateway:
        for binding in BINDINGS:
            broker.delete_binding(binding)
            what = f"{binding.source} to {binding.destination} by {binding.key}"
            expect_repair(gateway, partial(broker.has_binding, binding), what)


def expect_repair(gateway: Gateway, exists: Callable[[], bool], what: str) -> None:
    """Wait until the deleted object exists again and requests of all kinds succeed."""
    eventually(exists, NOTICED_S, f"{what} exists again")
    eventually(lambda: serves(gateway), NOTICED_S, f"requests succeed after the loss of {what}")


def expect_scaling(gateway: Gateway, what: str) -> None:
    """Wait until a command succeeds."""
    eventually(lambda: gateway.scale("hello", 3).status_code == 200, NOTICED_S, what)


def test_a_partition_without_its_binding_returns_events_and_answers_503_at_once(
    stack: Stack, broker: Broker
) -> None:
    gateway, [worker] = stack.serving()
    event = lasting_event("hello", 2)
    slot = int(event.key.split(".")[1])
    [binding] = [b for b in PROVIDER.bindings if b.key == f"k8s.{slot}.#"]
    worker.freeze()  # a running worker would declare the binding again

    broker.delete_binding(binding)

    assert publish(stack.amqp_url, [event]) == 1
    answer = gateway.scale("hello", 2)
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unattended")
    assert binding.key.removesuffix("#") in answer.json()["message"]
    worker.thaw()
    expect_scaling(gateway, "the partition is bound again")
    assert {replicas for replicas, _ in scalings(stack.sandbox)} == {3}


def test_commands_that_a_worker_holds_of_a_deleted_partition_have_an_outcome(
    stack: Stack, broker: Broker
) -> None:
    stack.serving()
    stack.sandbox.faults.add(method="PATCH", path="/hello$", delay=3, times=1)
    events = [lasting_event("hello", number) for number in range(1, 5)]
    with Auditor(stack.amqp_url) as auditor:
        assert publish(stack.amqp_url, events) == 0
        eventually(lambda: stack.sandbox.calls.count("PATCH"), what="the first runs")

        broker.delete_queue(topology.partition_queue("k8s", int(events[0].key.split(".")[1])))

        ends = [auditor.final(event.message_id) for event in events]
    assert [end.result for end in ends] == [Result.DONE, *[Result.DEAD] * 3]
    assert {end.status for end in ends[1:]} == {503}
    assert len(stack.sandbox.calls.writes()) == 1


def test_a_replies_queue_without_bindings_is_bound_again(stack: Stack, broker: Broker) -> None:
    gateway, _ = stack.serving(PLT_DEADLINE_MS="2000")
    [queue] = broker.replies_queues()

    for key in (queue, topology.ATTENDANCE):
        broker.delete_binding(Binding(topology.REPLIES, queue, key))

    expect_scaling(gateway, "the queue is bound again")
    eventually(lambda: gateway.attended_by(1), NOTICED_S, "announcements arrive again")


def test_a_deleted_replies_queue_is_replaced(stack: Stack, broker: Broker) -> None:
    gateway, _ = stack.serving(PLT_DEADLINE_MS="2000")
    [queue] = broker.replies_queues()

    broker.delete_queue(queue)

    expect_scaling(gateway, "another replies queue exists")


def test_a_lost_queue_that_users_may_not_create_is_named_and_other_slots_work(
    stack: Stack, management: httpx.Client
) -> None:
    """Least-privilege users may create nothing; an operator imports the definitions."""
    with users_vhost(stack.node, ["k8s"]) as vhost:
        vhost.import_over_http()
        stack.amqp_url = vhost.url("worker-k8s")
        worker = stack.worker()
        gateway = stack.gateway(PLT_AMQP_URL=vhost.url("gateway"))
        eventually(lambda: gateway.attended_by(1), what="the worker is attached")
        broker = Broker(management, vhost.url("gateway"))
        event = lasting_event("hello", 2)
        slot = int(event.key.split(".")[1])
        queue = topology.partition_queue("k8s", slot)
        other = next(name for name in NAMES if lasting_event(name, 1).key[4] != str(slot))
        stack.sandbox.add_deployment(other, replicas=0)

        broker.delete_queue(queue)

        def missing() -> str:
            state: Any = gateway.ready().get("broker", {})
            return " ".join(state.get("missing", []))

        def refusal() -> object:
            return gateway.scale("hello", 2).json().get("code")

        # A command published while the queue is being deleted has no confirm, and ends with 504.
        eventually(lambda: refusal() == "provider_unattended", NOTICED_S, "commands are refused")
        eventually(lambda: queue in missing(), NOTICED_S, "/ready names the queue")
        assert "import the definitions" in missing()
        assert gateway.ready()["status"] == "degraded"
        assert gateway.scale(other, 2).status_code == 200
        eventually(lambda: queue in worker.log.read_text(), what="the log names the queue")

        vhost.import_over_http()
        expect_scaling(gateway, "the queue exists again")
        eventually(lambda: not missing(), NOTICED_S, "nothing is missing")


@pytest.mark.parametrize("name", ["apply_workload", "apply_secret"])
def test_a_secret_in_an_event_is_in_no_outcome_and_no_readable_queue(
    stack: Stack, broker: Broker, name: str
) -> None:
    canary = b"canary-0815"
    body = {
        "apply_workload": b'{"scope":"default","workload":{"name":"hello","image":"i",'
        b'"pullSecret":{"registry":"r","username":"u","password":"' + canary + b'"}}}',
        "apply_secret": b'{"scope":"default","manifest":{"metadata":{"name":"hello"},'
        b'"stringData":{"p":"' + canary + b'"}}}',
    }[name]
    stack.serving()
    with Auditor(stack.amqp_url) as auditor:
        event = msgspec.structs.replace(lasting_event("hello", 1), type=name, body=body)
        assert publish(stack.amqp_url, [event]) == 0

        outcome = auditor.final(event.message_id)

    assert outcome.result is Result.DEAD
    assert outcome.request is not None
    assert outcome.request.withheld
    for queue in (topology.RECENT, topology.DEAD):
        shown = broker.messages(queue)
        assert shown.json()
        assert canary not in shown.content
    assert canary not in b"".join(message.body for message, _ in auditor.outcomes())
