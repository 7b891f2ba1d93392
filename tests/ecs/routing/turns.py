"""Several writers on one account, without a socket: each of their requests waits for its turn."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Literal, TypeVar

import msgspec

from contracts.faults import Code, Fault
from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.api import ANSWERED
from deploy.sandbox.aws.messages import Json, Refusal
from worker.providers.ecs import error_codes
from worker.providers.ecs.client import TOKENS
from worker.providers.ecs.errors import Again, Failure

Answer = TypeVar("Answer")
EXPECTED = (Fault, asyncio.CancelledError)
Turn = Literal["answered", "lost", "repeated", "killed before", "killed after"]
"""What becomes of a request: `repeated` is one whose answer was lost and that is sent again."""


class Talk:
    """One writer's conversation, as far as it concerns a listener's rules."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.waiting: list[tuple[str, asyncio.Future[Turn]]] = []
        self.asked: list[str] = []
        self.ended: asyncio.Task[Any] | None = None

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        self.ended = asyncio.ensure_future(work)

    async def ask(
        self, action: str, expected: type[Answer], *, repeat: bool = True, **parameters: Any
    ) -> Answer:
        return msgspec.convert(await self._asked(action, parameters), expected)

    async def pages(
        self, action: str, expected: type[Answer], **parameters: Any
    ) -> AsyncIterator[Answer]:
        out, back = TOKENS["elasticloadbalancing"]
        while True:
            page = await self._asked(action, parameters)
            yield msgspec.convert(page, expected)
            if out not in page:
                return
            parameters[back] = page[out]

    async def _asked(self, action: str, parameters: Json) -> Json:
        turn: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self.waiting.append((action, turn))
        become = await turn
        if become == "killed before":
            await self._die()
        self.asked.append(action)
        if become == "repeated":
            self._outcome(action, parameters)
        outcome = self._outcome(action, parameters)
        if become == "killed after":
            await self._die()
        if become == "lost":
            raise Failure(Code.PLATFORM_FAILED, f"{action}: the answer is lost", again=Again.LOST)
        if isinstance(outcome, Refusal):
            failure = Failure(
                error_codes.CODES.get(outcome.code, Code.NOT_FOUND),
                outcome.message,
                aws_code=outcome.code,
            )
            failure.after_loss = become == "repeated"
            raise failure
        return outcome

    async def _die(self) -> None:
        assert self.ended is not None
        self.ended.cancel()
        await asyncio.Event().wait()

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


async def take_turns(
    talks: list[Talk],
    choose: Callable[[list[tuple[Talk, str]]], tuple[Talk, Turn]],
    after: Callable[[], None],
) -> list[Any]:
    """Let one request after the other through, and return how each writer ended.

    `choose` says whose turn it is, of those that wait, and what becomes of the request; `after`
    looks at the account after each.
    """
    while True:
        while not all(talk.waiting or _is_done(talk) for talk in talks):  # noqa: ASYNC110
            await asyncio.sleep(0)
        waiting = [(talk, talk.waiting[0][0]) for talk in talks if talk.waiting]
        if not waiting:
            break
        talk, become = choose(waiting)
        _, turn = talk.waiting.pop(0)
        turn.set_result(become)
        # A killed writer's other requests end with it.
        asked = len(talk.asked)
        while not (talk.waiting or _is_done(talk) or len(talk.asked) > asked):  # noqa: ASYNC110
            await asyncio.sleep(0)
        if become.startswith("killed"):
            talk.waiting.clear()
        after()
    ended = [talk.ended for talk in talks if talk.ended is not None]
    found = await asyncio.gather(*ended, return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException) and not isinstance(each, EXPECTED):
            raise each
    return found


def _is_done(talk: Talk) -> bool:
    return talk.ended is None or talk.ended.done()
