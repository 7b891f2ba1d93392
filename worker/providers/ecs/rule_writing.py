"""Carries out the steps of a change of rules, and takes back those that were carried out."""

import logging
from collections.abc import Iterable, Mapping

from contracts.faults import Fault
from worker.providers.ecs import errors, rule_changes
from worker.providers.ecs.editions import EDITION, Seen
from worker.providers.ecs.errors import Failure
from worker.providers.ecs.listener import PRIORITY_IN_USE, RULE_NOT_FOUND, Listener
from worker.providers.ecs.rule_changes import Create, Delete, Modify, Move, Step, Tag
from worker.providers.ecs.rules import Rule, Wanted

log = logging.getLogger(__name__)

MOVED = frozenset({PRIORITY_IN_USE, RULE_NOT_FOUND})
"""What AWS says when others changed the listener meanwhile."""


class Writing:
    """One attempt to change the rules that were seen into those of an edition.

    Steps name rules by their priorities; which rule that is, is told by what was done before.
    """

    def __init__(
        self, listener: Listener, seen: Seen, edition: str, *, in_place: bool = False
    ) -> None:
        """`in_place` says whether rules that are there are changed, and not only moved."""
        self.in_place = in_place
        self._listener = listener
        self._seen = seen
        self._edition = edition
        found = [*seen.own, *seen.waiting]
        self._arns = {rule.priority: rule.arn for rule in found}
        self._state: dict[int, Wanted] = {rule.priority: rule for rule in found}
        self._before = self._state
        self.done: list[Step] = []

    @property
    def created(self) -> int:
        """How many rules were made."""
        return sum(isinstance(step, Create) for step in self.done)

    @property
    def known(self) -> Mapping[str, Mapping[str, str]]:
        """The tags by ARN that nobody changes; in place, another writer may have changed ours."""
        if self.in_place:
            return {arn: {} for arn in self._seen.foreign}
        made = {arn: self._state[priority].tags for priority, arn in self._arns.items()}
        return {**made, **self._seen.known}

    async def present(self) -> list[Rule]:
        """The rules of the edition that are there, whatever answers were lost."""
        now = await self._listener.read(self.known)
        every = (*now.own, *now.waiting)
        return [rule for rule in every if rule.tags.get(EDITION) == self._edition]

    async def run(self, steps: Iterable[Step]) -> None:
        """Carry out the steps until one fails."""
        for step in steps:
            try:
                await self._carry_out(step)
            except Fault as fault:
                if errors.may_have_happened(fault):
                    self._note(step)
                raise
            self._note(step)

    async def undo(self) -> list[str]:
        """Take back what was carried out; return why some of it may not be, in words.

        What others took away meanwhile stays away.
        """
        lost: list[str] = []
        done, self.done = self.done, []
        await self._find_lost(done)
        for step in rule_changes.undone(self._before, done):
            try:
                await self._carry_out(step)
            except Failure as failure:
                # Whatever became of it, the other steps are worth taking back.
                if failure.aws_code not in MOVED and not failure.arrived:
                    raise
                log.warning("%s may not be taken back: %s", step, failure.message)
                if failure.arrived:
                    lost.append(failure.message)
            self._note(step)
        return lost

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
                gone = self._state[priority].tags.keys() - rule.tags.keys()
                await self._listener.tag(self._arns[priority], rule.tags, gone)
            case Delete(priority):
                if priority in self._arns:
                    await self._listener.delete(self._arns[priority])

    def _note(self, step: Step) -> None:
        self.done.append(step)
        self._state = rule_changes.applied(self._state, step)
        if isinstance(step, Move):
            moved = {to: self._arns.pop(at) for at, to in step.moves.items() if at in self._arns}
            self._arns |= moved

    async def _find_lost(self, done: list[Step]) -> None:
        """Learn the ARN of a rule that may have been made although no answer said so."""
        match done[-1:]:
            case [Create(priority)] if priority not in self._arns:
                for rule in await self.present():
                    if rule.priority == priority:
                        self._arns[priority] = rule.arn
