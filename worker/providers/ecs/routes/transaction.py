"""Carries out the steps of a change of rules."""

from collections.abc import Iterable

from contracts.faults import Fault
from worker.providers.ecs.aws import errors
from worker.providers.ecs.elb.listener import Listener
from worker.providers.ecs.elb.requests import PRIORITY_IN_USE, RULE_NOT_FOUND
from worker.providers.ecs.elb.rules import Rule
from worker.providers.ecs.routes.rule_sets import RULE_SET, ListenerState
from worker.providers.ecs.routes.steps import Create, Delete, Modify, Move, Step, Tag

MOVED = frozenset({PRIORITY_IN_USE, RULE_NOT_FOUND})
"""AWS's codes if another writer changed the listener meanwhile."""


class Transaction:
    """One attempt to write a rule set.

    Steps name rules by their priorities, and the transaction tracks the priority of each rule.
    """

    def __init__(
        self, listener: Listener, before: ListenerState, rule_set: str, *, in_place: bool = False
    ) -> None:
        """`in_place` is true if existing rules are changed, not only moved."""
        self.in_place = in_place
        self.lost: Fault | None = None
        """The failure of the move, if the move may have happened nevertheless."""
        self._listener = listener
        self._rule_set = rule_set
        self._arns = {rule.priority: rule.arn for rule in (*before.own, *before.placeholders)}
        self.done: list[Step] = []

    @property
    def created(self) -> int:
        """The number of rules that were made."""
        return sum(isinstance(step, Create) for step in self.done)

    @property
    def may_have_moved(self) -> bool:
        """True if the last step is a move that happened or may have happened."""
        return bool(self.done) and isinstance(self.done[-1], Move)

    async def present(self) -> list[Rule]:
        """Return the rules of the rule set that the listener has, whatever answers were lost."""
        found = await self._listener.read()
        return [rule for rule in found if rule.tags.get(RULE_SET) == self._rule_set]

    async def run(self, wanted: Iterable[Step]) -> None:
        """Carry out steps until one fails."""
        for step in wanted:
            try:
                await self._carry_out(step)
            except Fault as fault:
                if errors.may_have_happened(fault):
                    self._note(step)
                raise
            self._note(step)

    async def _carry_out(self, step: Step) -> None:
        match step:
            case Create(priority, rule):
                self._arns[priority] = await self._listener.create(priority, rule)
            case Move(moves):
                arns = {self._arns[at]: to for at, to in moves.items() if at in self._arns}
                await self._listener.move(arns)
            case Modify(priority, rule):
                await self._listener.modify(self._arns[priority], rule)
            case Tag(priority, rule):
                await self._listener.tag(self._arns[priority], rule.tags)
            case Delete(priority):
                if priority in self._arns:
                    await self._listener.delete(self._arns[priority])

    def _note(self, step: Step) -> None:
        self.done.append(step)
        if isinstance(step, Move):
            moved = {to: self._arns.pop(at) for at, to in step.moves.items() if at in self._arns}
            self._arns |= moved
