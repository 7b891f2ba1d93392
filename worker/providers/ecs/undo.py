"""The steps of one run for a service, and how they are taken back when the service is refused."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from worker.provider import Call
from worker.providers.ecs import deployments
from worker.providers.ecs.best_effort import attempt
from worker.providers.ecs.objects import Service

CANNOT = "its former content is not known, so that it cannot be put back"


class Step(Struct, frozen=True, eq=False):
    """Something that a run made or changed.

    `used_by` returns the ARN that a service refers to if it uses what was made, and None for a
    change, which no reference shows. `undo` is None for a change that cannot be taken back.
    """

    what: str
    undo: Callable[[], Awaitable[None]] | None
    used_by: Callable[[], str | None]


class UndoLog:
    """The steps of a run, in their order."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._steps: list[Step] = []

    def made(
        self,
        what: str,
        undo: Callable[[], Awaitable[None]],
        used_by: Callable[[], str | None],
    ) -> None:
        """Note something new."""
        self._steps.append(Step(what, undo, used_by))

    def changed(self, what: str, undo: Callable[[], Awaitable[None]] | None) -> Step:
        """Note a change of something that was there before."""
        step = Step(what, undo, lambda: None)
        self._steps.append(step)
        return step

    def drop(self, step: Step) -> None:
        """Forget a change of something that is gone by now."""
        self._steps.remove(step)

    @property
    def words(self) -> list[str]:
        """The steps in words."""
        return [step.what for step in self._steps]

    async def take_back(self, service: Service | None) -> list[str]:
        """Undo the steps that the service does not use, the last first; return what is left."""
        used = deployments.references(service) if service else set()
        left: list[str] = []
        for step in reversed(self._steps):
            if step.used_by() in used:
                continue
            if step.undo is None:
                left.append(f"{step.what}: {CANNOT}")
            else:
                left += (await attempt(self._call, step.what, step.undo())).left
        return left
