"""A client of the stand-in without a connection, whose requests can be lost or killed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal, TypeVar

import msgspec

from contracts.faults import Code
from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.api import ANSWERED
from deploy.sandbox.aws.messages import Json, Refusal
from worker.providers.ecs.aws import error_codes
from worker.providers.ecs.aws.client import TOKENS
from worker.providers.ecs.aws.errors import Again, Failure

Answer = TypeVar("Answer")
Fate = Literal["answered", "lost", "repeated", "killed before", "killed after"]
"""The fate of a request: `repeated` means that its first answer was lost and it was sent again."""
Choose = Callable[[int, str], Fate]
"""A function that returns the fate of a request by its number and action."""


def answered(number: int, action: str) -> Fate:
    """Return the fate `answered` for each request."""
    return "answered"


class InterruptedClient:
    """A client for one call that answers the actions on the rules of a listener."""

    def __init__(self, account: Account, choose: Choose, after: Callable[[], None]) -> None:
        """`after` is called after each request."""
        self._account = account
        self._choose = choose
        self._after = after
        self._requests = 0

    async def ask(
        self, action: str, expected: type[Answer], *, repeat: bool = True, **parameters: Any
    ) -> Answer:
        return msgspec.convert(self._request(action, parameters), expected)

    async def pages(
        self, action: str, expected: type[Answer], **parameters: Any
    ) -> AsyncIterator[Answer]:
        out, back = TOKENS["elasticloadbalancing"]
        while True:
            page = self._request(action, parameters)
            yield msgspec.convert(page, expected)
            if out not in page:
                return
            parameters[back] = page[out]

    def _request(self, action: str, parameters: Json) -> Json:
        fate = self._choose(self._requests, action)
        self._requests += 1
        if fate == "killed before":
            raise asyncio.CancelledError
        if fate == "repeated":
            self._outcome(action, parameters)
        outcome = self._outcome(action, parameters)
        self._after()
        if fate == "killed after":
            raise asyncio.CancelledError
        if fate == "lost":
            raise Failure(Code.PLATFORM_FAILED, f"{action}: the answer is lost", again=Again.LOST)
        if isinstance(outcome, Refusal):
            code = error_codes.CODES.get(outcome.code, Code.NOT_FOUND)
            failure = Failure(code, outcome.message, aws_code=outcome.code)
            failure.after_loss = fate == "repeated"
            raise failure
        return outcome

    def _outcome(self, action: str, parameters: Json) -> Json | Refusal:
        try:
            if action.endswith(":RemoveTags"):
                self._account.balancing.remove_tags(
                    parameters["ResourceArns"], parameters["TagKeys"]
                )
                return {}
            answer = dict(ANSWERED[action](self._account, parameters) or {})
        except Refusal as refusal:
            return refusal
        for described in answer.get("TagDescriptions", []):
            described["Tags"] = [
                {"Key": key, "Value": value} for key, value in described["Tags"].items()
            ]
        return answer
