"""Applies the route plan of one application: writes a rule set, compares, deletes the former one.

Commands of one application never run at once, so that the rules have one writer. AWS changes one
rule at a time, but the priorities of many at once. Guarantees:

- A request meets the former plan or the new one, and so does a reader of the route, if both plans
  are for one host and have a default rule. The pins of a first plan come into force before its
  default rule, and readers see the plan once it is whole. If the host changes, or a plan has no
  default rule, rules are created first to last and deleted last to first, so that no request meets
  a third rule.
- A failure before the plan is in force is undone, and the former plan stays, whole. After a later
  failure the plan is in force; the fault says so and names the rules that are left, and a repeat
  deletes them. Rules that a killed worker leaves are behind the plan in force and match no request;
  the next plan deletes them.
- A writer outside machinist is detected after the move and reported. If its plan is newer, or rules
  of this plan are missing, this plan's rules are deleted; otherwise this plan stays in force.

Limits:

- On a load balancer without room for one more rule the change is made in place, and requests and
  readers may meet rules of both plans meanwhile.
- ELB does not health-check a target group that no rule forwards to. If the plan's default version
  has such a target group, a placeholder rule is made and the check is awaited. If that takes longer
  than the deadline, the plan is not ready (503) and the placeholder rule stays, so that a repeat
  finds the version checked. Pins of other such versions are left out and reported.
- A request that was on its way when its worker was killed may still arrive, until the next plan.
- A listener of more than 400 rules is read in pages, and a reader may see an inconsistent state.
"""

from collections.abc import Awaitable, Callable, Sequence

from contracts.faults import Code, Fault
from contracts.resources import Object
from worker.provider import Call
from worker.providers.ecs import observed
from worker.providers.ecs.aws.pauses import pause, retry
from worker.providers.ecs.elb.listener import Listener
from worker.providers.ecs.elb.rules import Rule
from worker.providers.ecs.routes import backends, observations, rule_sets, writer
from worker.providers.ecs.routes.backends import Backend
from worker.providers.ecs.routes.route_plan import Plan
from worker.providers.ecs.routes.rule_sets import Complete, Draft, Incomplete, ListenerState
from worker.providers.ecs.routes.transaction import MOVED, Transaction
from worker.providers.ecs.routes.writer import Writer

LONGEST_POLL_S = 5.0
WRITING_S = 3.0
"""The part of the deadline that is kept for the rules themselves."""


class Reconciliation:
    """The application of one plan to a listener.

    `found` are the plan's backends by the names of their services, and `refresh` finds them
    again. `first_poll_s` is the first delay between two polls of targets that are not checked yet.
    """

    def __init__(
        self,
        listener: Listener,
        writer: Writer,
        plan: Plan,
        found: dict[str, Backend],
        refresh: Callable[[], Awaitable[dict[str, Backend]]],
        first_poll_s: float,
    ) -> None:
        self._listener = listener
        self._writer = writer
        self._plan = plan
        self._found = found
        self._refresh = refresh
        self._first_poll_s = first_poll_s
        self._prepared: set[str] = set()

    async def run(self, call: Call) -> Object:
        """Apply the plan, within the guarantees of this module."""
        return await retry(
            call,
            self._writer.base_s,
            MOVED,
            "other writers keep changing the listener's rules; no rule of the plan was left on it",
            lambda: self._run(call),
        )

    async def _run(self, call: Call) -> Object:
        await self._wait_for_checks(call)
        await self._refuse_unhealthy()
        before = await self._read()
        targets = {name: each.target for name, each in self._found.items() if each.can_serve}
        absent = {name: each.target for name, each in self._found.items() if not each.can_serve}
        draft = self._draft(before, targets, absent)
        rest = rule_sets.unchanged(before, draft)
        if rest is not None:
            call.observed(
                observations.routes(before.in_force), observations.routes(before.in_force)
            )
            await self._clear(rest)
            return self._answer(0, 0)
        transaction = await self._writer.write(before, draft)
        return await self._finish(call, before, draft, transaction)

    async def _read(self) -> ListenerState:
        """Read the listener, and raise if it has a newer plan."""
        found = await writer.read(self._listener)
        rule_sets.refuse_older(found, self._plan)
        return found

    async def _wait_for_checks(self, call: Call) -> None:
        """Wait while the plan cannot be applied only because targets are not checked yet."""
        if not backends.is_pending(self._plan, self._found):
            return
        await self._start_checks(await self._read())
        wait = self._first_poll_s
        while backends.is_pending(self._plan, self._found):
            if not await pause(call, wait, WRITING_S):
                raise backends.not_ready(self._plan, self._found)
            self._found = await self._refresh()
            await self._start_checks()
            wait = min(LONGEST_POLL_S, wait * 2)

    async def _refuse_unhealthy(self) -> None:
        try:
            backends.refuse_unhealthy(self._plan, self._found)
        except Fault:
            await self._start_checks()
            raise

    async def _start_checks(self, before: ListenerState | None = None) -> None:
        """Make a placeholder rule for each target group that no rule forwards to."""
        unchecked = {
            name: each.target
            for name, each in self._found.items()
            if each.is_unchecked and each.target not in self._prepared
        }
        if not unchecked:
            return
        before = before or await self._read()
        draft = self._draft(before, {}, unchecked)
        if draft.rules:
            await self._writer.prepare(before, draft)
        self._prepared.update(unchecked.values())

    async def _finish(
        self, call: Call, before: ListenerState, draft: Draft, transaction: Transaction
    ) -> Object:
        """Compare the listener with the draft, and delete what the draft replaces."""
        try:
            now = await writer.read(self._listener)
        except Fault as fault:
            raise self._explained(fault, "was written and may be in force") from fault
        match rule_sets.compare(before, now, draft):
            case Complete(rest):
                call.observed(_found(before), observations.routes(draft.rules))
                await self._clear(rest)
                in_force = [rule for rule in draft.rules if not rule.is_placeholder]
                return self._answer(len(in_force), len(before.in_force))
            case Incomplete() as incomplete:
                is_stale = self._plan.freshness < now.freshness
                stays = incomplete.is_whole and not is_stale
                if stays:
                    call.observed(_found(before), observations.routes(draft.rules))
                elif is_stale or not transaction.in_place:
                    # In place there is no former plan behind the rules.
                    await self._writer.discard(transaction)
                rule_sets.refuse_older(now, self._plan)
                raise transaction.lost or self._disturbed(incomplete.foreign, stays)

    def _disturbed(self, foreign: Sequence[Rule], stays: bool) -> Fault:
        found = ", ".join(f'the rule "{rule.arn}" at {rule.priority}' for rule in foreign)
        return Fault(
            Code.PLATFORM_FAILED,
            f'another writer changed the routes of "{self._plan.application}" while the plan was '
            f"applied: found {found or 'that rules of the plan are missing or changed'}. The plan "
            f"is {'' if stays else 'not '}in force. Repeat the request",
        )

    async def _clear(self, rest: Sequence[Rule]) -> None:
        """Delete rules that the plan replaces; a fault says that the plan is in force already."""
        try:
            await self._listener.clear(rest)
        except Fault as fault:
            words = "is in force, but not all other rules of the application were deleted"
            raise self._explained(fault, words) from fault

    def _explained(self, fault: Fault, words: str) -> Fault:
        text = f'the plan for "{self._plan.application}" {words}: {fault.message}'
        return Fault(fault.code, text, retry_after=fault.retry_after)

    def _draft(
        self, before: ListenerState, targets: dict[str, str], absent: dict[str, str]
    ) -> Draft:
        cluster, name = self._listener.cluster, self._writer.name()
        return rule_sets.draft(self._plan, targets, absent, before, cluster, name)

    def _answer(self, created: int, deleted: int) -> Object:
        """The reply: the numbers of new and of former rules in force, without placeholder rules."""
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


def _found(before: ListenerState) -> Object:
    return observations.routes(before.in_force) if before.in_force else observed.ABSENT
