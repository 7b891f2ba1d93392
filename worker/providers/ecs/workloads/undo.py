"""The log of the steps of a run, and their undo if the service is refused."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct

from worker.provider import Call
from worker.providers.ecs.aws.answers import Service
from worker.providers.ecs.aws.best_effort import attempt
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.workloads import deployments

CANNOT = "its former content is unknown and cannot be restored"
UNKNOWN = "it may have been made or changed, and AWS's answers do not say"


class Step(Struct, frozen=True, eq=False):
    """A resource that a run made or changed.

    `used_by` returns the ARN by which a service would refer to the new resource, and None for a
    change. `undo` is None if the step cannot be undone, and `why` is the reason.
    """

    what: str
    undo: Callable[[], Awaitable[None]] | None
    used_by: Callable[[], str | None]
    why: str = CANNOT


class UndoLog:
    """The steps of a run, in their order."""

    def __init__(self, aws: BoundClient, call: Call) -> None:
        self._aws = aws
        self._call = call
        self._steps: list[Step] = []

    def made(
        self,
        what: str,
        undo: Callable[[], Awaitable[None]],
        used_by: Callable[[], str | None],
    ) -> None:
        """Note a new resource."""
        self._steps.append(Step(what, undo, used_by))

    def changed(self, what: str) -> None:
        """Note a change of a resource whose former content is not known."""
        self._steps.append(Step(what, None, lambda: None))

    @contextmanager
    def trying(
        self, what: str, undo: Callable[[], Awaitable[None]] | None = None
    ) -> Iterator[None]:
        """Note a step if one of its requests had an effect or may have had one.

        A caller that knows the effect drops the step, and notes the new or changed resource.
        """
        before = self._aws.effects
        try:
            yield
        finally:
            if self._aws.effects > before:
                self._steps.append(Step(what, undo, lambda: None, UNKNOWN))

    def drop(self, what: str) -> None:
        """Remove the steps with this description."""
        self._steps = [step for step in self._steps if step.what != what]

    @property
    def descriptions(self) -> list[str]:
        """The descriptions of the steps."""
        return [step.what for step in self._steps]

    async def take_back(self, service: Service | None) -> list[str]:
        """Undo the steps that the service does not use, the last first; return what is left."""
        used = deployments.references(service) if service else set()
        left: list[str] = []
        for step in reversed(self._steps):
            if step.used_by() in used:
                continue
            if step.undo is None:
                left.append(f"{step.what}: {step.why}")
            else:
                left += (await attempt(self._call, step.what, step.undo())).left
        return left
