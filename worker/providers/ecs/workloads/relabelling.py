"""The change of a service's tags to the labels of a workload, and its undo."""

from collections.abc import Collection, Mapping

from worker.providers.ecs import translate
from worker.providers.ecs.aws.answers import Nothing, Service
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.aws.tags import camel
from worker.providers.ecs.translate import BOUNDS


class Relabelling:
    """Sets some tags of a service and removes others; false if there is nothing to change."""

    def __init__(
        self,
        aws: BoundClient,
        service: Service,
        changed: Mapping[str, str],
        removed: Collection[str],
    ) -> None:
        self._aws = aws
        self._arn = service.service_arn
        self._before = translate.labels(service.tags)
        self._changed = changed
        self._removed = removed

    def __bool__(self) -> bool:
        return bool(self._keys)

    @property
    def concerns_machines(self) -> bool:
        """True if tasks have to start with the new tags."""
        return not self._keys <= BOUNDS

    @property
    def _keys(self) -> set[str]:
        return {*self._changed, *self._removed}

    async def do(self) -> None:
        """Change the tags."""
        await self._change(self._changed, self._removed)

    async def undo(self) -> None:
        """Restore the former tags."""
        former = {key: value for key, value in self._before.items() if key in self._keys}
        await self._change(former, self._keys - former.keys())

    async def _change(self, changed: Mapping[str, str], removed: Collection[str]) -> None:
        # Removed first: a service can have no more than 50 tags.
        if removed:
            await self._aws.ask(
                "ecs:UntagResource",
                Nothing,
                resourceArn=self._arn,
                tagKeys=sorted(removed),
            )
        if changed:
            await self._aws.ask(
                "ecs:TagResource",
                Nothing,
                resourceArn=self._arn,
                tags=camel(changed),
            )
