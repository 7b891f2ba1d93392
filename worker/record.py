"""The record: tells what became of commands, and returns when the broker has it."""

import asyncio
import logging
from typing import Any

from contracts import VERSION, outcomes
from contracts.broker.errors import Rejected
from contracts.faults import Fault
from contracts.outcomes import Result
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

    async def write(self, command: Message, result: Result, **what: Any) -> None:
        """Publish an outcome of the command in a message; `what` are further fields of it."""
        outcome = outcomes.outcome_of(command, self._provider, result, worker=self._worker, **what)
        message = outcomes.message_of(outcome, APP, command.headers.get(HEADER_TRACEPARENT))
        for pause in (*outcomes.REFUSED_AGAIN_S, None):
            try:
                await self._publisher.publish(message)
            except Rejected:
                if pause is not None:
                    await asyncio.sleep(pause)
            else:
                return
        # The audit never refuses: somebody's own queue behind the exchange is full.
        log.warning("a queue bound to machinist.outcomes refused %s of %s", result, outcome.id)

    async def bury(self, command: Message, fault: Fault, queue: str) -> None:
        """Put the message to the dead ones, with its reason, and publish its outcome.

        Raises Rejected where the dead ones are too many.
        """
        log.warning("%s %s is dead: %s", command.type, command.key, fault)
        await self._publisher.publish(outcomes.dead_letter(command, fault.message, queue, APP))
        await self.write(command, Result.DEAD, finished=outcomes.now(), **outcomes.failure(fault))
