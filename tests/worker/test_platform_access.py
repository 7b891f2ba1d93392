"""The worker answers whether its platform is reached."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from contracts.faults import Code, Fault
from contracts.platform_access import PLATFORM_ACCESS, Access, Question
from contracts.seal import Seals
from contracts.topology import MESSAGE_LIMIT, QUERIES
from contracts.wire import JSON, Message, Reply
from tests.calls import Ending, ample
from tests.worker.providers import FullProvider
from worker.dispatch import Dispatch
from worker.provider import Call


class Reached:
    """A provider whose platform lacks nothing, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    async def platform_access(self, scopes: Sequence[str], call: Call) -> Access:
        if self._error is not None:
            raise self._error
        return Access("k8s", f"https://api/{','.join(scopes)}")


class Silent:
    """A provider whose platform never answers."""

    async def platform_access(self, scopes: Sequence[str], call: Call) -> Access:
        await asyncio.Event().wait()
        raise NotImplementedError


def question(body: bytes | None = None) -> Message:
    """Return the question as the doctor asks it."""
    return Message(
        exchange=QUERIES,
        key=f"k8s.{PLATFORM_ACCESS}",
        body=msgspec.json.encode(Question(["shop"])) if body is None else body,
        type=PLATFORM_ACCESS,
        message_id="1",
    )


async def reply(
    provider: object, call: Call | None = None, message: Message | None = None
) -> Reply:
    """Return the reply of a worker with this provider."""
    dispatch = Dispatch("k8s", provider, Seals([]))
    return await dispatch.platform_access(message or question(), call or ample())


def code(answer: Reply) -> str:
    """Return the code of a problem."""
    return str(msgspec.json.decode(answer.body)["code"])


async def test_the_reply_is_the_report_of_the_provider_about_the_scopes():
    answer = await reply(Reached())

    assert (answer.status, answer.content_type) == (200, JSON)
    assert msgspec.json.decode(answer.body, type=Access) == Access("k8s", "https://api/shop")


async def test_a_fault_of_the_platform_is_the_reply():
    answer = await reply(Reached(Fault(Code.PLATFORM_UNREACHABLE, "no route")))

    assert (answer.status, code(answer)) == (503, "platform_unreachable")


async def test_an_unexpected_error_does_not_end_the_worker():
    assert code(await reply(Reached(ValueError("bug")))) == "internal"


async def test_a_platform_that_does_not_answer_is_unreachable_at_the_deadline():
    assert code(await reply(Silent(), Ending(lambda: True))) == "platform_unreachable"


async def test_a_provider_without_the_method_does_not_report_its_rights():
    assert code(await reply(FullProvider())) == "unsupported"


@pytest.mark.parametrize("body", [b"", b"[", b'{"scopes": 1}', b" " * (MESSAGE_LIMIT + 1)])
async def test_a_question_that_cannot_be_read_is_invalid(body):
    assert code(await reply(Reached(), message=question(body))) == "invalid"
