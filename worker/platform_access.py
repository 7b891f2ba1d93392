"""Answers the question of `machinist doctor` whether the platform is reached with enough rights."""

import asyncio

import msgspec

from contracts.checks.json_limits import MESSAGES, decode
from contracts.faults import Code, Fault
from contracts.platform_access import Question
from contracts.wire import Message, Reply, bounded, reply_of
from worker.optional_methods import ReportsAccess
from worker.provider import Call

METHOD = "platform_access"
"""The method of `ReportsAccess`."""

MARGIN_S = 1.0
"""The time for the reply, so that it arrives with the platform's reason before the deadline."""


async def answer(provider: object, message: Message, call: Call) -> Reply:
    """Return the provider's answer, or the fault that it raised."""
    try:
        question = decode(bounded(message).body, MESSAGES, type=Question)
        if not isinstance(provider, ReportsAccess):
            raise Fault(Code.UNSUPPORTED, "the provider does not report its rights")
        async with asyncio.timeout(call.left()):
            access = await provider.platform_access(question.scopes, Call(call.deadline - MARGIN_S))
    except Fault as fault:
        return reply_of(fault)
    except msgspec.DecodeError as error:
        return reply_of(Fault(Code.INVALID, f"expected a list of scopes: {error}"))
    except TimeoutError:
        return reply_of(Fault(Code.PLATFORM_UNREACHABLE, "the platform did not answer in time"))
    return Reply(200, msgspec.json.encode(access))
