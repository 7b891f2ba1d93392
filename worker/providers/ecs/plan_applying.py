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
  When a plan is said to be applied no older one can come into force any more, because all that
  another writer counted on is gone.

What is not:

- Two first plans of an application none of whose rules waited yet count on nothing. If the older
  one's writer is killed between bringing it into force and looking, it may stay until the next.
- On a load balancer without room for one more rule the change is made in place, and requests and
  readers may meet rules of both plans for that time. Two writers there at once come to one end
  only by trying again: AWS has no change of a rule that fails if another was faster.
- A call that was on its way when its worker was killed may still land, until the next plan.
- A listener of more than 400 rules is read in pages, and a reader may see two moments of it.
"""

import logging
import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from contracts.faults import Code, Fault
from contracts.resources import Object
from worker.provider import Call
from worker.providers.ecs import backends, editions, ownership, rule_changes, verdicts
from worker.providers.ecs.backends import Backend
from worker.providers.ecs.editions import STAGING, Draft, Seen
from worker.providers.ecs.errors import Failure
from worker.providers.ecs.listener import TOO_MANY_RULES, Listener
from worker.providers.ecs.pauses import pause
from worker.providers.ecs.route_plan import Plan
from worker.providers.ecs.rule_changes import Step
from worker.providers.ecs.rule_writing import MOVED, Writing
from worker.providers.ecs.rules import Rule, Wanted
from worker.providers.ecs.verdicts import Broken, Overtaken, Settled

log = logging.getLogger(__name__)

ATTEMPTS = 4
CHANCE = random.SystemRandom()
NO_TAGS: Mapping[str, str] = MappingProxyType({})


class Applying:
    """One plan on its way to a listener.

    `found` are the plan's backends by the names of their services, `base_s` the first wait after
    others were faster, in seconds.
    """

    def __init__(
        self,
        listener: Listener,
        plan: Plan,
        found: dict[str, Backend],
        cluster: str,
        base_s: float,
        chance: random.Random = CHANCE,
    ) -> None:
        self._listener = listener
        self._plan = plan
        self._found = found
        self._cluster = cluster
        self._base_s = base_s
        self._chance = chance

    async def run(self, call: Call) -> Object:
        """Make the rules those of the plan, or raise and leave those that are there."""
        await self._refuse_unhealthy()
        failed = 0
        while True:
            answer = await self._attempt(call)
            if answer is not None:
                return answer
            failed += 1
            wait = self._base_s * 2 ** (failed - 1) * self._chance.uniform(0.5, 1.5)
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
        await writing.run(rule_changes.beside(seen, draft.rules, self._start()))

    async def _attempt(self, call: Call) -> Object | None:
        """The answer, or None where others were faster and nothing is left of the attempt."""
        seen = await self._listener.read()
        editions.refuse_older(seen, self._plan)
        targets = {name: each.target for name, each in self._found.items() if each.can_serve}
        absent = {name: each.target for name, each in self._found.items() if not each.can_serve}
        draft = self._draft(seen, targets, absent)
        settled = verdicts.unchanged(seen, draft)
        if settled is not None:
            return self._answer(0, await self._clear([*settled.rest, *settled.unfinished]))
        writing = await self._write(seen, draft)
        if writing is None:
            return None
        return await self._settle(call, seen, draft, writing)

    async def _settle(
        self, call: Call, seen: Seen, draft: Draft, writing: Writing
    ) -> Object | None:
        """Clear away what is less than the draft, until nothing of it is in front any more.

        Without the former rules no writer who counted on them can bring its edition into force.
        """
        deleted = writing.deleted
        known: Mapping[str, Mapping[str, str]] = dict.fromkeys(seen.foreign, NO_TAGS)
        while True:
            now = await self._listener.read(known)
            match verdicts.judge(seen, now, draft):
                case Settled([], unfinished):
                    deleted += await self._clear(unfinished)
                    call.observed(_versions(seen.in_force), _versions(draft.rules))
                    return self._answer(writing.created, deleted)
                case Settled(rest):
                    deleted += await self._clear(rest)
                    known = now.known
                case Overtaken(by):
                    await self._discard(writing)
                    if not by.says(draft):
                        raise verdicts.overtaken(self._plan, by)
                    return self._answer(0, 0)
                case Broken():
                    # In place there is nothing behind the rules that could stand in for them.
                    if not writing.in_place:
                        await self._discard(writing)
                    return None

    def _draft(self, seen: Seen, targets: dict[str, str], absent: dict[str, str]) -> Draft:
        digits = f"{self._chance.getrandbits(32):08x}"
        return editions.draft(self._plan, targets, absent, seen, self._cluster, digits)

    async def _write(self, seen: Seen, draft: Draft) -> Writing | None:
        """Bring the draft into force, or what may be it; None where others were faster."""
        start = self._start()
        staged = Writing(self._listener, seen, draft.name)
        try:
            return await self._try(staged, rule_changes.staged(seen, draft.rules, start))
        except Failure as failure:
            if failure.aws_code != TOO_MANY_RULES:
                raise
            full = failure
        steps = rule_changes.in_place(seen, draft.rules, start)
        if rule_changes.more_rules(steps) > staged.created:
            raise Fault(
                Code.PLATFORM_INVALID,
                f"the load balancer has no room for the {len(draft.rules)} rules of the plan, not "
                f"even in place of those that are there: {full.message}",
            ) from full
        in_place = Writing(self._listener, seen, draft.name, in_place=True)
        return await self._try(in_place, steps)

    async def _try(self, writing: Writing, steps: list[Step]) -> Writing | None:
        try:
            await writing.run(steps)
        except Fault as fault:
            if len(writing.done) == len(steps):
                # The last answer was lost. Others may have found the plan in force by now, so only
                # a look can tell whether it may be taken back.
                return writing
            await self._take_back(writing)
            if isinstance(fault, Failure) and fault.aws_code in MOVED:
                return None
            raise
        return writing

    async def _take_back(self, writing: Writing) -> None:
        if not writing.in_place:
            return await self._discard(writing)
        try:
            await writing.undo()
        except Fault as fault:
            log.warning("a route plan stays on the listener in part: %s", fault.message)

    async def _discard(self, writing: Writing) -> None:
        """Delete what is there of an edition that did not come into force, or is no more."""
        try:
            await self._clear(await writing.present())
        except Fault as fault:
            # It is behind the plan in force, and the next plan clears it away.
            log.warning("rules of a route plan stay on the listener: %s", fault.message)

    async def _clear(self, rest: Sequence[Rule]) -> int:
        """Delete rules, the last first: no request falls through to one that goes next."""
        for rule in sorted(rest, key=lambda rule: -rule.priority):
            await self._listener.delete(rule.arn)
        return len(rest)

    def _start(self) -> int:
        """Somewhere: who looks for room elsewhere meets no other writer there."""
        return self._chance.randrange(STAGING.start, STAGING.stop)

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


def _versions(found: tuple[Wanted, ...]) -> Object:
    named = [each.tags.get(ownership.VERSION, "") for each in found if not each.waits]
    return {"versions": list(dict.fromkeys(named))}
