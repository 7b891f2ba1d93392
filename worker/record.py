"""The record: tells what became of commands, and returns when the broker has it."""

import logging
from functools import partial
from typing import Any

from contracts import VERSION, dead_letters, outcomes
from contracts.broker.recording import until_taken
from contracts.faults import Fault
from contracts.outcomes import Result
from contracts.requests import Request
from contracts.wire import HEADER_TRACEPARENT, Message
from worker.publisher import Publisher

log = logging.getLogger(__name__)

APP = f"worker/{VERSION}"


class Record:
    """Publishes the outcomes of one provider's commands, and those that are dead."""

    def __init__(self, worker: str, provider: str, publisher: Publisher) -> None:
        self._worker = worker
        self._provider = provider
        self._publisher = publisher

    async def write(
        self, command: Message, result: Result, request: Request | None = None, **what: Any
    ) -> None:
        """Publish an outcome of the command in a message; `what` are further fields of it.

        `started`, and a final outcome without `started` before it, carry the request. Without an
        audit to take the outcome this waits: the command is kept, and not run before `started` is
        in the audit.
        """
        outcome = outcomes.outcome_of(
            command, self._provider, result, request=request, worker=self._worker, **what
        )
        message = outcomes.message_of(outcome, APP, command.headers.get(HEADER_TRACEPARENT))
        publish = partial(self._publisher.publish, mandatory=True)
        await until_taken(publish, message, self._publisher.renew)

    async def bury(self, command: Message, fault: Fault, queue: str, request: Request) -> None:
        """Put the message to the dead ones, with its reason, and publish its outcome.

        Raises Rejected where the dead ones are too many.
        """
        log.warning("%s %s is dead: %s", command.type, command.key, fault)
        letter = dead_letters.dead_letter(command, fault.message, queue, APP)
        await self._publisher.publish(letter)
        await self.write(
            command, Result.DEAD, request, finished=outcomes.now(), **outcomes.failure(fault)
        )
