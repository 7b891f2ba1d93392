"""Writes the rule set of a route plan to a listener, and undoes its steps after a failure."""

import logging
import random

from contracts.faults import Code, Fault
from worker.provider import Call
from worker.providers.ecs.aws.errors import Failure
from worker.providers.ecs.aws.pauses import pause
from worker.providers.ecs.elb.listener import Listener
from worker.providers.ecs.elb.requests import PRIORITY_IN_USE, TOO_MANY_RULES
from worker.providers.ecs.elb.rules import Rule
from worker.providers.ecs.routes import rule_sets, steps
from worker.providers.ecs.routes.rule_sets import STAGING, Draft, ListenerState
from worker.providers.ecs.routes.transaction import Transaction

log = logging.getLogger(__name__)

RANDOM = random.SystemRandom()
MOVES_TRIED = 5

Reservations = dict["Writer", frozenset[int]]


async def read(listener: Listener) -> ListenerState:
    """Return the state of a listener for the application that it was opened for."""
    return rule_sets.state(await listener.read(), listener.application, listener.cluster)


class Writer:
    """The writer of one plan.

    `reservations` are the priorities that each writer of this worker is about to take: writers of
    other applications avoid them. `base_s` is the first delay before the move is repeated.
    """

    def __init__(
        self,
        listener: Listener,
        call: Call,
        reservations: Reservations,
        base_s: float,
        rng: random.Random = RANDOM,
    ) -> None:
        self._listener = listener
        self._call = call
        self._reservations = reservations
        self.base_s = base_s
        self._rng = rng

    def name(self) -> str:
        """Return a name for a rule set."""
        return f"{self._rng.getrandbits(32):08x}"

    async def prepare(self, before: ListenerState, draft: Draft) -> None:
        """Make placeholder rules behind all other rules."""
        transaction = Transaction(self._listener, before, draft.name)
        await transaction.run(steps.prepared(before, draft.rules, self._start()))

    async def write(self, before: ListenerState, draft: Draft) -> Transaction:
        """Bring the draft into force; if the answer to the move is lost, it may be in force.

        After any other failure the former plan is in force.
        """
        transaction = Transaction(self._listener, before, draft.name)
        try:
            await self._stage(transaction, before, draft)
        except Fault as fault:
            if transaction.may_have_moved:
                transaction.lost = fault
                return transaction
            await self.discard(transaction)
            if isinstance(fault, Failure) and fault.aws_code == TOO_MANY_RULES:
                return await self._change_in_place(before, draft, transaction.created, fault)
            raise
        finally:
            self._reservations.pop(self, None)
        return transaction

    async def discard(self, transaction: Transaction) -> None:
        """Delete the rules of a rule set that is not in force, or must not be."""
        try:
            await self._listener.clear(await transaction.present())
        except Fault as fault:
            # The rules are behind the plan in force, and the next plan deletes them.
            log.warning("rules of a route plan stay on the listener: %s", fault.message)

    async def _stage(self, transaction: Transaction, before: ListenerState, draft: Draft) -> None:
        creates = steps.prepared(before, draft.rules, self._start())
        await transaction.run(creates)
        made = [step.priority for step in creates]
        now = before
        for failed in range(1, MOVES_TRIED + 1):
            others = (taken for each, taken in self._reservations.items() if each is not self)
            now = now.besides(frozenset().union(*others))
            move = steps.brought_forward(now, draft.rules, made, self._start())
            self._reservations[self] = frozenset(move.moves.values())
            try:
                await transaction.run([move])
            except Failure as failure:
                if failure.aws_code != PRIORITY_IN_USE or transaction.may_have_moved:
                    raise
                spread = self._rng.uniform(0.5, 1.5)
                wait = self.base_s * 2 ** (failed - 1) * spread
                if failed == MOVES_TRIED or not await pause(self._call, wait):
                    raise _contested(failure) from failure
                # Another application took a priority. The staged rules stay useful unless the
                # application's own rules changed, too.
                now = (await read(self._listener)).without(draft.name)
                if now.own != before.own:
                    raise
            else:
                return

    async def _change_in_place(
        self, before: ListenerState, draft: Draft, room: int, full: Failure
    ) -> Transaction:
        wanted = steps.in_place(before, draft.rules, self._start())
        if steps.more_rules(wanted) > room:
            raise Fault(
                Code.PLATFORM_INVALID,
                f"the load balancer has no room for the {len(draft.rules)} rules of the plan, not "
                f"even in place of the present rules: {full.message}",
            ) from full
        transaction = Transaction(self._listener, before, draft.name, in_place=True)
        try:
            await transaction.run(wanted)
        except Fault as fault:
            await self._restore(steps.former(before, draft.rules), fault)
            raise
        return transaction

    async def _restore(self, former: list[Rule], cause: Fault) -> None:
        """Change the rules back in place after a failure; raise if that fails, too."""
        priorities = [rule.priority for rule in former]
        try:
            now = await read(self._listener)
            back = steps.in_place(now, former, self._start(), priorities)
            await Transaction(self._listener, now, "").run(back)
        except Fault as fault:
            log.warning("a route plan stays on the listener in part: %s", fault.message)
            words = "the rules were changed in part, and the undo failed"
            text = f"{cause.message}. On the full load balancer {words}: {fault.message}"
            raise Fault(cause.code, text, retry_after=cause.retry_after) from cause

    def _start(self) -> int:
        """A random priority of STAGING: writers of other applications rarely use the same."""
        return self._rng.randrange(STAGING.start, STAGING.stop)


def _contested(failure: Failure) -> Fault:
    return Fault(
        Code.PLATFORM_FAILED,
        "other writers keep changing the listener's rules; no rule of the plan was left on it: "
        f"{failure.message}",
    )
