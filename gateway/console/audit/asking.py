"""Queries of the console for the present state of a platform."""

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec

from contracts.faults import Code, Fault
from contracts.operation import Operation
from gateway.audit.platform import Ask, Unanswered
from gateway.console.failures import Failure
from gateway.console.terminal.replies import failure_of
from gateway.rpc import Rpc

CONCURRENCY = 8
"""Queries of one command of the console that wait for replies."""


def asker(rpc: Rpc, provider: str) -> Ask:
    """Return a function that queries a provider; it raises Failure if no worker is attached."""
    slots = asyncio.Semaphore(CONCURRENCY)

    async def ask(operation: Operation[Any]) -> Any:
        try:
            async with slots:
                reply = await rpc.call(provider, operation)
        except Fault as fault:
            if fault.code is Code.DEADLINE_EXCEEDED:
                raise Unanswered(str(fault)) from fault
            raise Failure(str(fault)) from fault
        if reply.status == HTTPStatus.NOT_FOUND:
            return None
        if reply.status >= HTTPStatus.BAD_REQUEST:
            raise Unanswered(str(failure_of(reply)))
        return msgspec.json.decode(reply.body)

    return ask
