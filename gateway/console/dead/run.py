"""Publishes retries, and removes the letters whose retries were answered."""

import sys
from http import HTTPStatus
from typing import Any

import msgspec

from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.faults import Fault
from contracts.seal import SEALED
from contracts.wire import reply_of
from gateway.console.broker import environment, run
from gateway.console.dead.letters import fingerprint
from gateway.console.dead.queue import Letters, open_letters
from gateway.console.dead.retrying import Retry
from gateway.console.dead.table import short
from gateway.console.terminal.output import note, print_json, print_table
from gateway.console.terminal.replies import Unsuccessful
from gateway.rpc import Rpc

MAY_CHANGE = frozenset({429, 500, 502, 503, 504})
"""Statuses that another retry may change; their letters stay."""

HEADER = ("ID", "RETRIED AS", "STATUS", "REPLY", "LETTER")

SEALED_REPLY = b'"sealed"'
"""The body of a sealed reply in the output."""


class Retried(msgspec.Struct, frozen=True, rename="camel"):
    """The end of a retry."""

    id: str
    command_id: str
    status: int
    removed: bool
    body: Any


class Retrying:
    """Retries the letters with these fingerprints, one after another; each is published once."""

    def __init__(self, planned: dict[str, Retry], *, as_json: bool) -> None:
        self._planned = planned
        self._as_json = as_json
        self._ended: dict[str, Retried] = {}

    @property
    def failed(self) -> int:
        """The number of retries without success."""
        return sum(each.status >= HTTPStatus.BAD_REQUEST for each in self._ended.values())

    async def run(self, rpc: Rpc) -> None:
        """Retry and print the ends; raises as `broker.run` does."""

        async def remove(connection: Connection) -> None:
            async with open_letters(connection) as letters:
                async for delivery in letters:
                    if fingerprint(delivery.message) in self._planned:
                        await self._retry(rpc, letters, delivery)

        try:
            await run(environment().amqp_url, "machinist dead retry", remove)
        finally:
            self._print()

    async def _retry(self, rpc: Rpc, letters: Letters, delivery: Delivery) -> None:
        mark = fingerprint(delivery.message)
        retry = self._planned[mark]
        if mark not in self._ended:
            self._ended[mark] = await _end(rpc, retry, delivery.message.message_id)
        if self._ended[mark].removed:
            await letters.remove(delivery)

    def _print(self) -> None:
        ended = list(self._ended.values())
        if self._as_json:
            for each in ended:
                print_json(each)
        elif ended:
            print_table(HEADER, [_row(each) for each in ended], flexible=(3,))
        if len(ended) < len(self._planned):
            note(f"{len(self._planned) - len(ended):,} letters were not found again")


async def _end(rpc: Rpc, retry: Retry, identity: str) -> Retried:
    command_id = str(retry.context.command_id)
    note(f"{identity} is retried as {command_id}")
    is_answered = True
    try:
        reply = await rpc.send(retry.provider, retry.request, retry.context)
    except Fault as fault:
        reply, is_answered = reply_of(fault, command_id), False
    removed = is_answered and reply.status not in MAY_CHANGE
    body = SEALED_REPLY if reply.content_type == SEALED else reply.body
    return Retried(identity, command_id, reply.status, removed, msgspec.Raw(body))


def _row(end: Retried) -> tuple[str, ...]:
    identities = [end.id, end.command_id]
    if sys.stdout.isatty():
        identities = list(map(short, identities))
    return (*identities, str(end.status), _words(end), "removed" if end.removed else "stays")


def _words(end: Retried) -> str:
    if end.status < HTTPStatus.BAD_REQUEST:
        return "done"
    problem = msgspec.json.decode(end.body, type=Unsuccessful)
    return f"{problem.code}: {problem.message}"
