"""The work of every process and person at the broker, each with its own user."""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import msgspec

from contracts import address, outcomes, topology, wire
from contracts.address import SLOTS
from contracts.api import (
    DeleteController,
    GetMachines,
    SetMachineLabels,
    UpdateControllerReplicas,
)
from contracts.broker.connection import Connection
from contracts.broker.reconnecting import Session
from contracts.operation import Operation
from contracts.outcomes import Result
from contracts.process.environment import Secret
from contracts.seal import Seals
from contracts.wire import Message
from gateway.audit.filters import Filters
from gateway.audit.search import newest
from gateway.console import broker
from gateway.console.calls import call_with
from gateway.console.dead.letters import Filter as Letters
from gateway.console.dead.queue import select
from gateway.rpc import Rpc
from tests.auditor import Auditor
from tests.broker.rights.access import Access
from tests.broker.rights.needed import PROVIDER, Check
from tests.broker.users_vhost import UsersVhost
from tests.producer import announcement, publish
from tests.stack import REPOSITORY, Gateway, Process, Stack, eventually

REFUSED_BINDINGS = {
    Check("gateway", "write", topology.GATE),
    Check(f"worker-{PROVIDER}", "write", topology.ENDED),
}
"""Processes try to create missing bindings, and try no more of them after the first refusal."""

DEADLINE_MS = 10_000
"""Time enough for a command to start on a busy machine; the scenario waits for it twice."""

SLOW_S = 600.0


class Scenario:
    """Uses each right at least once, if the users have all rights that they need."""

    def __init__(self, access: Access, broker: UsersVhost, stack: Stack) -> None:
        self._access = access
        self._broker = broker
        self._stack = stack
        self._administrator = f"{stack.node.amqp_url}{broker.vhost}"

    def run(self) -> None:
        """Run all steps."""
        with Auditor(self._broker.url("auditor"), f"{topology.AUDIT}.live") as live:
            self._live = live
            worker = self._stack.worker(PLT_AMQP_URL=self._broker.url(f"worker-{PROVIDER}"))
            gateway = self._stack.gateway(PLT_AMQP_URL=self._broker.url("gateway"))
            self._until(lambda: gateway.attended_by(1), "the worker is attached")
            self._requests(gateway)
            self._events()
            self._late_events()
            self._dead_events()
            self._readers()
            self._without_worker(gateway, worker)

    def _requests(self, gateway: Gateway) -> None:
        """A query and a command through REST."""
        answers = [gateway.get("/k8s/machines/default"), gateway.scale("hello", 3)]
        assert [answer.status_code for answer in answers] == [200, 200], answers

    def _events(self) -> None:
        """Scalings and labels in every partition; only one of the controllers exists."""
        self._expect(Result.DONE, self._scaling(4))
        makers: list[Callable[[str], Operation[Any]]] = [
            lambda name: UpdateControllerReplicas(scope="default", name=name, replicas=1),
            lambda name: SetMachineLabels(scope="default", id=name, labels={"tier": "web"}),
        ]
        for make in makers:
            in_slots: dict[str, Message] = {}
            for number in range(1000):
                event = self._event(make(f"absent-{number}"))
                in_slots.setdefault(event.key.split(".")[1], event)
            assert len(in_slots) == SLOTS
            self._expect(Result.FAILED, *in_slots.values())

    def _late_events(self) -> None:
        """Events past their deadline, before and while they run, and one that waits meanwhile."""
        self._expect(Result.EXPIRED, self._scaling(5, headers={wire.HEADER_DEADLINE: 1}))
        slow, waiting, newest = self._slow(6), self._scaling(7), self._scaling(8)
        self._publish(slow)
        self._started(slow)
        self._publish(waiting, newest)
        self._final(Result.UNKNOWN, slow)
        self._final(Result.SUPERSEDED, waiting)
        self._final(Result.DONE, newest)

    def _dead_events(self) -> None:
        """Events that a worker and a gateway refuse."""
        self._expect(Result.DEAD, self._event(DeleteController(scope="default", name="hello")))
        self._expect(Result.DEAD, self._scaling(9, headers={"x-death": "forged"}))

    def _readers(self) -> None:
        """An auditor searches the audit; an operator does too, and looks at dead letters.

        An operator also makes calls, replays commands, and looks at recent outcomes.
        """
        self._console("auditor", _search)
        self._console("operator", _search)
        self._console("operator", _look_at_dead_letters)
        url = Secret(self._broker.url("operator"))
        asyncio.run(call_with(url, "test console", _make_calls, Seals([])))
        self._replay("operator")
        wanted = {"count": 10, "ackmode": "ack_requeue_true", "encoding": "auto"}
        with self._broker.management("operator") as client:
            for queue in (topology.RECENT, topology.DEAD):
                answer = client.post(f"/queues/{self._broker.vhost}/{queue}/get", json=wanted)
                assert answer.json(), answer.text

    def _without_worker(self, gateway: Gateway, worker: Process) -> None:
        """The worker is lost with a command; later commands expire, or find a full partition."""
        lost = self._slow(10)
        self._publish(lost)
        self._started(lost)
        worker.kill()
        self._final(Result.UNKNOWN, lost)
        self._expect(Result.EXPIRED, self._scaling(11, expiration=1))
        partitions = re.escape(topology.partition_queue(PROVIDER, 0)[:-1])
        full = {"pattern": f"^{partitions}", "definition": {"max-length": 0}}
        with self._broker.management() as administrator:
            url = f"/policies/{self._broker.vhost}/full"
            administrator.put(url, json=full).raise_for_status()

        def is_refused() -> bool:
            """Send a command as if a worker were attached; the limit applies after a delay."""
            self._publish(self._scaling(12), refused=None)
            publish(self._administrator, [announcement()])
            return bool(gateway.scale("hello", 13).json().get("code") == "queue_full")

        self._until(is_refused, "a command is refused")
        self._until(
            lambda: any(each.result is Result.REFUSED for _, each in self._live.outcomes()),
            "the refused command is recorded",
        )

    def _scaling(self, replicas: int, **changes: Any) -> Message:
        operation = UpdateControllerReplicas(
            scope="default", name="hello", replicas=replicas, kind="Deployment"
        )
        return self._event(operation, **changes)

    def _slow(self, replicas: int) -> Message:
        """Return an event that no longer ends in time."""
        self._stack.sandbox.faults.add(method="PATCH", path="/hello", delay=SLOW_S)
        deadline = int(time.time() * 1000) + DEADLINE_MS
        headers = {wire.HEADER_DEADLINE: deadline}
        return self._scaling(replicas, headers=headers, expiration=DEADLINE_MS)

    def _event(self, operation: Operation[Any], **changes: Any) -> Message:
        message = Message(
            exchange=topology.EVENTS,
            key=address.routing_key(PROVIDER, operation.row, address.address(operation)),
            body=wire.encode(operation),
            type=operation.row.name,
            message_id=uuid4().hex,
            user_id=self._broker.name("producer"),
            persistent=True,
        )
        return msgspec.structs.replace(message, **changes)

    def _publish(self, *events: Message, refused: int | None = 0) -> None:
        """Publish as the producer; `refused` is the expected number of refusals, None for any."""
        found = publish(self._broker.url("producer"), list(events))
        assert refused in (None, found), f"{found} refused, missing rights: {self.missing()}"

    def _expect(self, result: Result, *events: Message) -> None:
        """Publish events and wait for their final result."""
        self._publish(*events)
        self._final(result, *events)

    def _final(self, result: Result, *events: Message) -> None:
        def results() -> list[list[Result]]:
            return [self._results(each.message_id) for each in events]

        self._until(lambda: all(results()), f"the result is {result}")
        assert all(found == [result] for found in results()), results()

    def _started(self, event: Message) -> None:
        self._until(lambda: self._live.of(event.message_id), "the command is started")

    def _results(self, identity: str) -> list[Result]:
        results = [each.result for each in self._live.of(identity)]
        return [each for each in results if each is not Result.STARTED]

    def _console(self, role: str, session: Session) -> None:
        asyncio.run(broker.run(Secret(self._broker.url(role)), "test console", session))

    def _replay(self, role: str) -> None:
        with TemporaryDirectory() as folder:
            guard = ["--provider", PROVIDER, "--execute", "--yes", PROVIDER]
            words = ["audit", "replay", *guard, "--checkpoint", f"{folder}/checkpoint"]
            replay = subprocess.run(
                [sys.executable, "-m", "gateway.console", *words],
                cwd=REPOSITORY,
                env=os.environ | {"PLT_AMQP_URL": self._broker.url(role)},
                capture_output=True,
                text=True,
            )
        assert replay.returncode == 0, f"{replay.stderr}\nmissing rights: {self.missing()}"

    def _until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for a condition; name a missing right at once."""

        def is_met() -> bool:
            missing = self.missing()
            assert not missing, f"missing rights: {missing}"
            return bool(condition())

        eventually(is_met, what=what)

    def missing(self) -> list[str]:
        """Return the checks that the rights denied, but for the expected ones."""
        return sorted(map(str, self._access.denied - REFUSED_BINDINGS))


async def _search(connection: Connection) -> None:
    found = await newest(connection, Filters(since=outcomes.now() - timedelta(hours=1)), 10)
    assert found.commands, "the audit is empty"


async def _look_at_dead_letters(connection: Connection) -> None:
    found, _ = await select(connection, Letters(), 10)
    assert found, "there is no dead letter"


async def _make_calls(rpc: Rpc) -> None:
    query = await rpc.call(PROVIDER, GetMachines(scope="default"))
    command = await rpc.call(
        PROVIDER, UpdateControllerReplicas(scope="default", name="hello", replicas=3)
    )
    assert (query.status, command.status) == (200, 200)
