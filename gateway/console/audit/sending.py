"""Publishes one audited command again, and tells how it ended."""

import asyncio
from base64 import b64decode
from http import HTTPStatus
from typing import Any

import msgspec

from contracts.address import slot
from contracts.api import OPERATIONS, GetHttpRoute
from contracts.faults import NOT_ATTEMPTED, Fault
from contracts.neutral.route_plan import EMITTED_AT, GENERATION, freshness
from contracts.outcomes import Outcome
from contracts.records.command_ids import new_command_id
from contracts.records.route_state import member
from contracts.seal import SEALED
from contracts.wire import JSON, Reply, reply_of
from gateway.audit.platform import Unanswered
from gateway.calls.encoded import Encoded
from gateway.console.audit.asking import asker
from gateway.console.terminal.replies import failure_of
from gateway.context import Context
from gateway.rpc import Rpc

RETRY_S = 120.0
"""The time for which a command that was not attempted is retried, such as without a worker."""

LONGEST_PAUSE_S = 15.0

DONE, UNCHANGED, GONE, FAILED = "done", "unchanged", "gone", "failed"
"""The ends of a replayed command: `unchanged` is a deletion of an absent resource, or a route plan
that is older than that of the platform; `gone` a command on a machine that no longer exists."""


class Replayed(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The end of a replayed command; `id` is that of the new command."""

    replay_of: str
    id: str
    address: str
    operation: str
    result: str
    status: int
    failure: str | None = None


class Pace:
    """A rate limit without bursts."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._next = 0.0

    async def wait(self) -> None:
        """Wait for the next moment."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._next)
        self._next = at + self._interval
        await asyncio.sleep(at - now)


class Sender:
    """Publishes commands to a provider with a rate limit, and awaits their replies."""

    def __init__(self, rpc: Rpc, target: str, rate: float) -> None:
        """`rate` is the maximal number of commands per second."""
        self._rpc = rpc
        self._ask = asker(rpc, target)
        self._target = target
        self._pace = Pace(rate)

    async def send(self, outcome: Outcome) -> Replayed:
        """Publish the request of a command, and again while it is not attempted."""
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + RETRY_S, 1.0
        while True:
            await self._pace.wait()
            identity = new_command_id()
            reply = await self._send_once(outcome, identity)
            if reply.status not in NOT_ATTEMPTED or loop.time() >= until:
                break
            await asyncio.sleep(max(pause, reply.retry_after or 0))
            pause = min(2 * pause, LONGEST_PAUSE_S)
        result = await self._result(outcome, reply)
        return Replayed(
            replay_of=outcome.id,
            id=identity,
            address=outcome.address,
            operation=outcome.operation,
            result=result,
            status=reply.status,
            failure=str(failure_of(reply)) if result == FAILED else None,
        )

    async def _send_once(self, outcome: Outcome, identity: str) -> Reply:
        context = Context(command_id=identity, replay_of=outcome.id)
        try:
            return await self._rpc.send(self._target, request_of(outcome, self._target), context)
        except Fault as fault:
            return reply_of(fault, identity)

    async def _result(self, outcome: Outcome, reply: Reply) -> str:
        row = OPERATIONS[outcome.operation].row
        if reply.status < HTTPStatus.BAD_REQUEST:
            return DONE
        if reply.status == HTTPStatus.NOT_FOUND and row.method == "DELETE":
            return UNCHANGED
        if reply.status == HTTPStatus.NOT_FOUND and row.collection == "machines":
            return GONE
        is_conflict = reply.status == HTTPStatus.CONFLICT and row.name == "apply_route_plan"
        return UNCHANGED if is_conflict and await self._is_older(outcome) else FAILED

    async def _is_older(self, outcome: Outcome) -> bool:
        """Tell whether the platform has a newer route plan than that of a command."""
        request: Any = outcome.request and outcome.request.body
        try:
            plan = request["plan"]
            route = await self._ask(GetHttpRoute(request["scope"], plan["appName"]))
        except (Unanswered, KeyError, TypeError):
            return False
        annotations = member(route or {}, "metadata", "annotations")
        generation, emitted = (_number(annotations.get(key)) for key in (GENERATION, EMITTED_AT))
        return freshness(plan.get("generation"), plan.get("emittedAt")) < freshness(
            generation, emitted
        )


def request_of(outcome: Outcome, target: str) -> Encoded:
    """Return the request of a command for a provider; a sealed body opens at any provider."""
    request = outcome.request
    assert request is not None  # the plan has only commands with a body
    row = OPERATIONS[outcome.operation].row
    key = f"{target}.{slot(outcome.address)}.{outcome.address}"
    if request.sealed is not None:
        return Encoded(row, key, b64decode(request.sealed), SEALED)
    return Encoded(row, key, msgspec.json.encode(request.body), JSON)


def _number(text: Any) -> float | None:
    try:
        return msgspec.json.decode(str(text), type=float | int)
    except msgspec.DecodeError:
        return None
