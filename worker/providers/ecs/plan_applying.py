"""Applies the route plan of one application: writes an edition, looks what became of it, clears.

What is kept, one rule at a time being all that AWS changes:

- A request meets the former plan or the new one, and so does whoever reads the route, as long as
  both plans are for one host and have a default rule. A first plan has nothing to hide behind: its
  pins come into force before its default rule, and its readers learn of it once it is whole. Where
  the host changes, or a plan has no default rule, rules come first to last and go last to first,
  so that no request meets a third thing.
- Whatever fails on the way is taken back, and the former plan stays, whole. What a killed worker
  leaves is behind the plan in force and meets no request; the next plan clears it away.
- Of two writers of one application's routes at once, one edition stays whole (`editions` says
  which), and the other writer's plan is a conflict. For a moment before, requests may meet both.
- On a load balancer without room for one more rule the change is made in place, and requests and
  readers may meet rules of both plans for that time. Two writers there at once come to one end
  only by trying again: AWS has no change of a rule that fails if another was faster.
- A call that was on its way when its worker was killed may still land, until the next plan.
"""

import logging
import random
import secrets

from contracts.faults import Code, Fault
from contracts.resources import Object
from worker.provider import Call
from worker.providers.ecs import backends, editions, ownership, rule_changes
from worker.providers.ecs.backends import Backend
from worker.providers.ecs.editions import STAGING, Broken, Draft, Overtaken, Seen, Settled
from worker.providers.ecs.errors import Failure
from worker.providers.ecs.listener import TOO_MANY_RULES, Listener
from worker.providers.ecs.pauses import pause
from worker.providers.ecs.route_plan import Plan
from worker.providers.ecs.rule_changes import Create, Delete
from worker.providers.ecs.rule_writing import MOVED, Writing
from worker.providers.ecs.rules import Rule, Wanted

log = logging.getLogger(__name__)

ATTEMPTS = 4
DIGITS = 4


class Applying:
    """One plan on its way to a listener.

    `found` are the plan's backends by the names of their services, `base_s` the first wait after
    others were faster, in seconds.
    """

    def __init__(
        self, listener: Listener, plan: Plan, found: dict[str, Backend], cluster: str, base_s: float
    ) -> None:
        self._listener = listener
        self._plan = plan
        self._found = found
        self._cluster = cluster
        self._base_s = base_s

    async def run(self, call: Call) -> Object:
        """Make the rules those of the plan, or raise and leave those that are there."""
        await self._refuse_unhealthy()
        failed = 0
        while True:
            answer = await self._attempt(call)
            if answer is not None:
                return answer
            failed += 1
            wait = self._base_s * 2 ** (failed - 1) * random.uniform(0.5, 1.5)
            if failed == ATTEMPTS or not await pause(call, wait):
                raise Fault(
                    Code.PLATFORM_FAILED,
                    "others change the listener's rules all the time: nothing of the plan was left "
                    "on it",
                )

    async def _refuse_unhealthy(self) -> None:
        try:
            backends.refuse_unhealthy(self._plan, self._found)
        except Fault:
            await self._have_checked()
            raise

    async def _have_checked(self) -> None:
        """Tie target groups that no rule leads to to the load balancer.

        Their targets would stay unhealthy for ever. The rules for it meet no request.
        """
        unchecked = {name: each.target for name, each in self._found.items() if each.is_unchecked}
        if not unchecked:
            return
        seen = await self._listener.read()
        editions.refuse_older(seen, self._plan)
        draft = self._draft(seen, {}, unchecked)
        writing = Writing(self._listener, seen, draft.name)
        await writing.run(rule_changes.beside(seen, draft.rules, _start()))

    async def _attempt(self, call: Call) -> Object | None:
        """The answer, or None where others were faster and nothing is left of the attempt."""
        seen = await self._listener.read()
        editions.refuse_older(seen, self._plan)
        targets = {name: each.target for name, each in self._found.items() if each.can_serve}
        absent = {name: each.target for name, each in self._found.items() if not each.can_serve}
        draft = self._draft(seen, targets, absent)
        settled = editions.unchanged(seen, draft)
        if settled is not None:
            await self._clear(settled.rest)
            return self._answer(0, len(settled.rest))
        writing = await self._write(seen, draft)
        if writing is None:
            return None
        now = await self._listener.read(seen.foreign)
        match editions.judge(seen, now, draft):
            case Settled(rest):
                await self._clear(rest)
                call.observed(_versions(seen.in_force), _versions(draft.rules))
                created = sum(isinstance(step, Create) for step in writing.done)
                gone = sum(isinstance(step, Delete) for step in writing.done)
                return self._answer(created, gone + len(rest))
            case Overtaken(by, was_there):
                await _take_back(writing, in_front=was_there)
                if not by.says(draft):
                    raise editions.overtaken(self._plan, by)
                return self._answer(0, 0)
            case Broken():
                await _take_back(writing)
                return None

    def _draft(self, seen: Seen, targets: dict[str, str], absent: dict[str, str]) -> Draft:
        digits = secrets.token_hex(DIGITS)
        return editions.draft(self._plan, targets, absent, seen, self._cluster, digits)

    async def _write(self, seen: Seen, draft: Draft) -> Writing | None:
        """Bring the draft into force; None where others were faster."""
        start = _start()
        for way in (rule_changes.staged, rule_changes.in_place):
            writing = Writing(self._listener, seen, draft.name)
            try:
                await writing.run(way(seen, draft.rules, start))
            except Fault as fault:
                await _take_back(writing)
                aws_code = fault.aws_code if isinstance(fault, Failure) else ""
                if aws_code in MOVED:
                    return None
                if aws_code != TOO_MANY_RULES:
                    raise
                reason = fault
            else:
                return writing
        raise Fault(
            Code.PLATFORM_INVALID,
            f"the load balancer has no room for the {len(draft.rules)} rules of the plan, not even "
            f"in place of those that are there: {reason.message}",
        ) from reason

    async def _clear(self, rest: tuple[Rule, ...]) -> None:
        for rule in rest:
            await self._listener.delete(rule.arn)

    def _answer(self, created: int, deleted: int) -> Object:
        answer: Object = {
            "appName": self._plan.application,
            "created": created,
            "deleted": deleted,
        }
        unhealthy = [
            pin.version for pin in self._plan.pins if not self._found[pin.service].can_serve
        ]
        if unhealthy:
            answer["unhealthy"] = list(dict.fromkeys(unhealthy))
        return answer


async def _take_back(writing: Writing, *, in_front: bool = True) -> None:
    try:
        await writing.undo(in_front=in_front)
    except Fault as fault:
        # It is behind the plan in force, and the next plan clears it away.
        log.warning("something of a route plan stays on the listener: %s", fault.message)


def _start() -> int:
    """Somewhere: who looks for room elsewhere meets no other writer there."""
    return random.randrange(STAGING.start, STAGING.stop)


def _versions(found: tuple[Wanted, ...]) -> Object:
    named = [each.tags.get(ownership.VERSION, "") for each in found if not each.waits]
    return {"versions": list(dict.fromkeys(named))}
