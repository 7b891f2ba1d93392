"""Brings an edition of a route plan into force, or takes back what it did of it."""

import logging
import random

from contracts.faults import Code, Fault
from worker.provider import Call
from worker.providers.ecs import rule_changes
from worker.providers.ecs.editions import STAGING, Draft, Seen
from worker.providers.ecs.errors import Failure
from worker.providers.ecs.listener import PRIORITY_IN_USE, TOO_MANY_RULES, Listener
from worker.providers.ecs.pauses import pause
from worker.providers.ecs.rows import Rows
from worker.providers.ecs.rule_changes import Move
from worker.providers.ecs.rule_writing import MOVED, Writing

log = logging.getLogger(__name__)

CHANCE = random.SystemRandom()
ROWS_TRIED = 5


class PlanWriter:
    """Who writes the editions of one plan.

    `base_s` is the first wait after others were faster, in seconds.
    """

    def __init__(
        self,
        listener: Listener,
        call: Call,
        rows: Rows,
        base_s: float,
        chance: random.Random = CHANCE,
    ) -> None:
        self._listener = listener
        self._call = call
        self._rows = rows
        self._base_s = base_s
        self._chance = chance

    def digits(self) -> str:
        """Those of an edition's name."""
        return f"{self._chance.getrandbits(32):08x}"

    async def wait(self, failed: int) -> bool:
        """Wait after others were faster so many times; False where there is no time for it."""
        spread = self._chance.uniform(0.5, 1.5)
        return await pause(self._call, self._base_s * 2 ** (failed - 1) * spread)

    async def prepare(self, seen: Seen, draft: Draft) -> None:
        """Make rules that match nothing, behind everything else."""
        writing = Writing(self._listener, seen, draft.name)
        await writing.run(rule_changes.prepared(seen, draft.rules, self._start()))

    async def write(self, seen: Seen, draft: Draft) -> Writing | None:
        """Bring the draft into force, or what may be it; None where others were faster."""
        writing = Writing(self._listener, seen, draft.name)
        try:
            await self._stage(writing, seen, draft)
        except Fault as fault:
            if writing.done and isinstance(writing.done[-1], Move):
                # The answer was lost. Others may have found the plan in force by now, so only a
                # look can tell whether it may be taken back.
                return writing
            await self.discard(writing)
            if isinstance(fault, Failure) and fault.aws_code == TOO_MANY_RULES:
                return await self._change_in_place(seen, draft, writing.created, fault)
            if not _is_outrun(fault):
                raise
            return None
        finally:
            self._rows.release(self)
        return writing

    async def discard(self, writing: Writing) -> None:
        """Delete what is there of an edition that did not come into force, or is no more."""
        try:
            await self._listener.clear(await writing.present())
        except Fault as fault:
            # It is behind the plan in force, and the next plan clears it away.
            log.warning("rules of a route plan stay on the listener: %s", fault.message)

    async def _stage(self, writing: Writing, seen: Seen, draft: Draft) -> None:
        creates = rule_changes.prepared(seen, draft.rules, self._start())
        await writing.run(creates)
        made = [step.priority for step in creates]
        now = seen
        for failed in range(1, ROWS_TRIED + 1):
            now = now.besides(self._rows.of_others(self))
            move = rule_changes.brought_forward(now, draft.rules, made, self._start())
            self._rows.hold(self, move.moves.values())
            try:
                await writing.run([move])
            except Failure as failure:
                if failure.aws_code != PRIORITY_IN_USE or move in writing.done:
                    raise
                if failed == ROWS_TRIED or not await self.wait(failed):
                    raise contested(failure) from failure
                # Another application took the row. What was made is as good as before, unless
                # the plans that it was made for are others by now.
                now = (await self._listener.read(writing.known)).without(draft.name)
                if now.own != seen.own:
                    raise
            else:
                return

    async def _change_in_place(
        self, seen: Seen, draft: Draft, room: int, full: Failure
    ) -> Writing | None:
        seen = seen.besides(self._rows.of_others(self))
        steps = rule_changes.in_place(seen, draft.rules, self._start())
        if rule_changes.more_rules(steps) > room:
            raise Fault(
                Code.PLATFORM_INVALID,
                f"the load balancer has no room for the {len(draft.rules)} rules of the plan, not "
                f"even in place of those that are there: {full.message}",
            ) from full
        writing = Writing(self._listener, seen, draft.name, in_place=True)
        try:
            await writing.run(steps)
        except Fault as fault:
            if len(writing.done) == len(steps):
                return writing
            stays = await self._undo(writing)
            if _is_outrun(fault):
                return None
            if stays:
                words = "the rules were changed in part, which could not be taken back whole"
                text = f"{fault.message}. For want of room {words}: {'; '.join(stays)}"
                raise Fault(fault.code, text, retry_after=fault.retry_after) from fault
            raise
        return writing

    async def _undo(self, writing: Writing) -> list[str]:
        """Take back what was done in place; return what kept it from that, in words."""
        try:
            stays = await writing.undo()
        except Fault as fault:
            stays = [fault.message]
        for words in stays:
            log.warning("a route plan stays on the listener in part: %s", words)
        return stays

    def _start(self) -> int:
        """Somewhere: who looks for room elsewhere meets no other writer there."""
        return self._chance.randrange(STAGING.start, STAGING.stop)


def contested(failure: Failure) -> Fault:
    """The fault that it is when others were faster each time; a repeat may succeed."""
    return Fault(
        Code.PLATFORM_FAILED,
        "others change the listener's rules all the time, nothing of the plan is left on it: "
        f"{failure.message}",
    )


def _is_outrun(fault: Fault) -> bool:
    """Whether a fault says that others were faster."""
    return isinstance(fault, Failure) and fault.aws_code in MOVED
