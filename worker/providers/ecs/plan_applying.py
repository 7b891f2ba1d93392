"""Applies the route plan of one application: writes an edition, looks what became of it, clears.

What is kept, one rule at a time being all that AWS changes:

- A request meets the former plan or the new one, and so does whoever reads the route, as long as
  both plans are for one host and have a default rule. A first plan has nothing to hide behind: its
  pins come into force before its default rule, and its readers learn of it once it is whole. Where
  the host changes, or a plan has no default rule, rules come first to last and go last to first,
  so that no request meets a third thing.
- Whatever fails before the plan is in force is taken back, and the former plan stays, whole. What
  fails later leaves the plan in force, and the fault says so and names the rules that are left; a
  repeat clears them away. What a killed worker leaves is behind the plan in force and meets no
  request; the next plan clears it away.
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
- ELB does not health-check a target group that no rule forwards to. A plan whose default version
  is such a one gives it a placeholder rule and waits for the check. Where that takes longer than
  the deadline, the plan is refused for now and the placeholder rule stays, so that a repeat finds
  the version checked. Pins of another such version are left out and reported; a repeat has them.
- A call that was on its way when its worker was killed may still land, until the next plan.
- A listener of more than 400 rules is read in pages, and a reader may see two moments of it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from contracts.faults import Code, Fault
from contracts.resources import Object
from worker.provider import Call
from worker.providers.ecs import backends, editions, observed, verdicts
from worker.providers.ecs.backends import Backend
from worker.providers.ecs.editions import Draft, Seen
from worker.providers.ecs.listener import Listener
from worker.providers.ecs.pauses import pause
from worker.providers.ecs.plan_writing import PlanWriter
from worker.providers.ecs.route_plan import Plan
from worker.providers.ecs.rule_writing import Writing
from worker.providers.ecs.rules import Rule
from worker.providers.ecs.verdicts import Broken, Overtaken, Settled

ATTEMPTS = 4
LONGEST_LOOK_S = 5.0
WRITING_S = 3.0
"""The part of the deadline that is kept for the rules themselves."""


class Applying:
    """One plan on its way to a listener.

    `found` are the plan's backends by the names of their services, and `look_again` finds them
    anew. `first_look_s` is the first pause between two looks at targets that are not checked yet.
    """

    def __init__(
        self,
        listener: Listener,
        writer: PlanWriter,
        plan: Plan,
        found: dict[str, Backend],
        cluster: str,
        look_again: Callable[[], Awaitable[dict[str, Backend]]],
        first_look_s: float,
    ) -> None:
        self._look_again = look_again
        self._first_look_s = first_look_s
        self._listener = listener
        self._writer = writer
        self._plan = plan
        self._found = found
        self._cluster = cluster

    async def run(self, call: Call) -> Object:
        """Make the rules those of the plan, or raise and leave those that are there."""
        await self._wait_for_checks(call)
        await self._refuse_unhealthy()
        for failed in range(1, ATTEMPTS + 1):
            answer = await self._attempt(call)
            if answer is not None:
                return answer
            if failed == ATTEMPTS or not await self._writer.wait(failed):
                break
        raise Fault(
            Code.PLATFORM_FAILED,
            "others change the listener's rules all the time: nothing of the plan was left on it",
        )

    async def _wait_for_checks(self, call: Call) -> None:
        """Wait while the targets that the plan needs are merely not checked yet."""
        if not backends.is_pending(self._plan, self._found):
            return
        editions.refuse_older(await self._listener.read(), self._plan)
        await self._have_checked()
        wait = self._first_look_s
        while backends.is_pending(self._plan, self._found):
            if not await pause(call, wait, WRITING_S):
                raise backends.not_ready(self._plan, self._found)
            self._found = await self._look_again()
            await self._have_checked()
            wait = min(LONGEST_LOOK_S, wait * 2)

    async def _refuse_unhealthy(self) -> None:
        try:
            backends.refuse_unhealthy(self._plan, self._found)
        except Fault:
            await self._have_checked()
            raise

    async def _have_checked(self) -> None:
        """Have a rule that matches no request forward to each target group that has no rule."""
        unchecked = {name: each.target for name, each in self._found.items() if each.is_unchecked}
        if not unchecked:
            return
        seen = await self._listener.read()
        editions.refuse_older(seen, self._plan)
        draft = self._draft(seen, {}, unchecked)
        if draft.rules:
            await self._writer.prepare(seen, draft)

    async def _attempt(self, call: Call) -> Object | None:
        """The answer, or None where others were faster and nothing is left of the attempt."""
        seen = await self._listener.read()
        editions.refuse_older(seen, self._plan)
        targets = {name: each.target for name, each in self._found.items() if each.can_serve}
        absent = {name: each.target for name, each in self._found.items() if not each.can_serve}
        draft = self._draft(seen, targets, absent)
        settled = verdicts.unchanged(seen, draft)
        if settled is not None:
            call.observed(observed.routes(seen.in_force), observed.routes(seen.in_force))
            await self._clear([*settled.rest, *settled.unfinished])
            return self._answer(0, 0)
        writing = await self._writer.write(seen, draft)
        if writing is None:
            return None
        return await self._settle(call, seen, draft, writing)

    async def _settle(
        self, call: Call, seen: Seen, draft: Draft, writing: Writing
    ) -> Object | None:
        """Clear away what is less than the draft, until nothing of it is in front any more.

        Without the former rules no writer who counted on them can bring its edition into force.
        """
        known: Mapping[str, Mapping[str, str]] = writing.known
        while True:
            try:
                now = await self._listener.read(known)
            except Fault as fault:
                raise self._explained(fault, "was written and may be in force") from fault
            match verdicts.judge(seen, now, draft):
                case Settled([], unfinished):
                    call.observed(_found(seen), observed.routes(draft.rules))
                    await self._clear(unfinished)
                    in_force = [rule for rule in draft.rules if not rule.waits]
                    return self._answer(len(in_force), len(seen.in_force))
                case Settled(rest):
                    call.observed(_found(seen), observed.routes(draft.rules))
                    await self._clear(rest)
                    known = now.known
                case Overtaken(by):
                    await self._writer.discard(writing)
                    if not by.says(draft):
                        raise verdicts.overtaken(self._plan, by)
                    call.observed(_found(seen), observed.routes(draft.rules))
                    return self._answer(0, 0)
                case Broken():
                    # In place there is nothing behind the rules that could stand in for them.
                    if not writing.in_place:
                        await self._writer.discard(writing)
                    return None

    async def _clear(self, rest: Sequence[Rule]) -> None:
        """Delete what is left of other editions; a fault says that the plan is in force already.

        Moving the former rules back would not do: others may have found the plan in force by now.
        """
        try:
            await self._listener.clear(rest)
        except Fault as fault:
            words = "is in force, but not all other rules of the application were deleted"
            raise self._explained(fault, words) from fault

    def _explained(self, fault: Fault, words: str) -> Fault:
        text = f'the plan for "{self._plan.application}" {words}: {fault.message}'
        return Fault(fault.code, text, retry_after=fault.retry_after)

    def _draft(self, seen: Seen, targets: dict[str, str], absent: dict[str, str]) -> Draft:
        digits = self._writer.digits()
        return editions.draft(self._plan, targets, absent, seen, self._cluster, digits)

    def _answer(self, created: int, deleted: int) -> Object:
        """The rules in force that are new, and those that were; others match no request."""
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


def _found(seen: Seen) -> Object:
    return observed.routes(seen.in_force) if seen.in_force else observed.ABSENT
