"""The records of a worker: outcomes and dead letters, published with publisher confirms."""

import logging
from functools import partial
from typing import Any

from contracts import VERSION, outcomes
from contracts.broker.outcome_publisher import OutcomePublisher
from contracts.faults import Fault
from contracts.observation.audit import AuditMetrics
from contracts.observation.operations import command_ended
from contracts.observation.registry import Registry
from contracts.outcomes import Result
from contracts.records import dead_letters
from contracts.records.requests import Request
from contracts.wire import HEADER_TRACEPARENT, Message
from worker.messages.publisher import Publisher

log = logging.getLogger(__name__)

APP = f"worker/{VERSION}"


class Record:
    """Publishes the outcomes of one provider's commands, and its dead letters."""

    def __init__(
        self, worker: str, provider: str, publisher: Publisher, audit: AuditMetrics | None = None
    ) -> None:
        self._worker = worker
        self._provider = provider
        self._publisher = publisher
        self._audit = audit or AuditMetrics(Registry("worker"))
        self._outcomes = OutcomePublisher(self._audit.published)
        self._audit.watch(self._outcomes.lag)

    async def write(
        self, command: Message, result: Result, request: Request | None = None, **fields: Any
    ) -> None:
        """Publish an outcome of a command, with further fields.

        `started` contains the request, and so does a final outcome without `started` before it.
        Waits while no queue takes outcomes: a command is not run before `started` is in the audit.
        """
        outcome = outcomes.outcome_of(
            command, self._provider, result, request=request, worker=self._worker, **fields
        )
        if result is not Result.STARTED:
            command_ended(outcome, command.headers)
        message = outcomes.message_of(outcome, APP, command.headers.get(HEADER_TRACEPARENT))
        publish = partial(self._publisher.publish, mandatory=True)
        await self._outcomes.publish(message, publish, self._publisher.reconnect)

    async def dead_letter(
        self, command: Message, fault: Fault, queue: str, request: Request
    ) -> None:
        """Publish a command to `machinist.dead` with the reason, then its outcome.

        Raises Rejected if that queue is full.
        """
        log.warning("%s %s is dead: %s", command.type, command.key, fault)
        letter = dead_letters.dead_letter(command, fault.message, queue, APP)
        await self._publisher.publish(letter)
        self._audit.dead_letter(self._provider)
        await self.write(
            command, Result.DEAD, request, finished=outcomes.now(), **outcomes.failure(fault)
        )
