"""Makes a service what a workload says, whoever else does so, or takes back what it made for it."""

import logging
import re

from msgspec import Struct

from contracts.faults import Code, Fault
from contracts.resources import Object
from worker.provider import Call
from worker.providers.ecs import controllers, translate
from worker.providers.ecs.aws import errors
from worker.providers.ecs.aws.answers import OneService, Service
from worker.providers.ecs.aws.best_effort import attempt
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.aws.errors import Failure
from worker.providers.ecs.workloads import deployments, observations, revisions
from worker.providers.ecs.workloads.deployments import Parts
from worker.providers.ecs.workloads.provisioning import Provisioning, Region
from worker.providers.ecs.workloads.relabelling import Relabelling
from worker.providers.ecs.workloads.workload import Wanted

log = logging.getLogger(__name__)

ROUNDS = 5
"""How often others may create or delete the service while we do the opposite."""
TIDYING_S = 5.0
"""How long an answer may be kept back for what nobody asked for."""
MAY_BE_THERE = frozenset({Code.INVALID, Code.CONFLICT, Code.PLATFORM_FAILED})
"""What a creation fails with when there is a service of the name, or its answer was lost."""
OVERTAKEN = re.compile("not idempotent|still draining", re.IGNORECASE)
"""AWS has no code of its own for that."""


class RolledOut(Struct, frozen=True):
    """What a workload became; `before` is the service that was there, `left` what is untidy.

    `former_images` are those of that service, None if its task definition was not found. `removed`
    are the keys of the tags that the service has no more.
    """

    parts: Parts
    before: Service | None
    former_images: list[str] | None
    service: Service
    created: bool
    left: list[str]
    removed: set[str]

    def answer(self, wanted: Wanted) -> Object:
        """As the contract says it."""
        found: Object = {
            "name": wanted.name,
            "taskDefinitionArn": self.parts.task_definition,
            "created": self.created,
        }
        if self.parts.target_groups:
            found["targetGroupArn"] = self.parts.target_groups[0]
        if self.parts.hostname is not None:
            port = wanted.workload.ports.app
            found["endpoint"] = {"hostname": self.parts.hostname, "port": port}
        return found

    def seen(self, wanted: Wanted) -> tuple[Object, Object]:
        """Before and after, for the command's outcome."""
        before, after = observations.workload(
            self.before,
            self.former_images,
            self.service,
            wanted,
            self.parts.task_definition,
            self.removed,
        )
        return before, after | ({"left": self.left} if self.left else {})


class RollOut:
    """One run for one workload."""

    def __init__(
        self, aws: BoundClient, call: Call, region: Region, cluster: str, wanted: Wanted
    ) -> None:
        self._aws = aws
        self._call = call
        self._settings = region.settings
        self._cluster = cluster
        self._wanted = wanted
        self._provisioning = Provisioning(aws, call, region, cluster, wanted)
        self._lost = False
        self._removed: set[str] = set()

    async def run(self) -> RolledOut:
        """Create or update the service; a fault tells what of it could not be taken back."""
        try:
            return await self._run()
        except Fault as fault:
            left = await self._take_back()
            if not left:
                raise
            words = f"{fault.message}. Left behind, where a repeat finds it: {'; '.join(left)}"
            raise Fault(fault.code, words, retry_after=fault.retry_after) from fault

    async def _run(self) -> RolledOut:
        for _ in range(ROUNDS):
            before = await deployments.settled(
                self._aws, self._call, self._cluster, self._wanted.name
            )
            parts = await self._provisioning.parts(before)
            if before is None:
                service = await self._create(parts)
            else:
                service = await self._update(before, parts)
            if service is not None:
                return await self._finish(before, service, parts)
        raise Fault(
            Code.PLATFORM_FAILED,
            f'others create and delete the service "{self._wanted.name}" all the time',
        )

    async def _create(self, parts: Parts) -> Service | None:
        """The new service, or None where there is one by now."""
        asked = deployments.creation(self._settings, self._cluster, self._wanted, parts)
        try:
            return (await self._aws.ask("ecs:CreateService", OneService, **asked)).service
        except Fault as fault:
            self._lost = errors.may_have_happened(fault)
            if not await self._overtaken(fault):
                raise
            return None

    async def _overtaken(self, fault: Fault) -> bool:
        """Whether the creation failed for a service of the name, be it gone again by now."""
        if fault.code not in MAY_BE_THERE:
            return False
        return OVERTAKEN.search(fault.message) is not None or await self._standing() is not None

    async def _update(self, service: Service, parts: Parts) -> Service | None:
        """The service as it is then, or None where it was deleted meanwhile."""
        tags = deployments.new_tags(service, self._wanted)
        self._removed = await self._provisioning.former_labels(service)
        relabelling = Relabelling(self._aws, service, tags, self._removed)
        changes = deployments.changes(service, self._wanted, parts)
        if not changes and (relabelling.concerns_machines or controllers.is_stopped(service)):
            # Tasks keep the tags that they started with, and a deployment that the circuit
            # breaker stopped starts none: either needs a deployment of its own.
            changes = deployments.AGAIN
        undo = self._provisioning.undo
        what = f'the tags of the service "{service.service_name}"'
        try:
            # First, because new tasks get the tags that the service has when they start.
            with undo.trying(what, relabelling.undo):
                await relabelling.do()
            return await self._ask_update(service, changes) if changes else service
        except Failure as failure:
            if not await self._is_gone(failure):
                raise
            undo.drop(what)
            return None

    async def _ask_update(self, service: Service, changes: Object) -> Service:
        asked: Object = {"cluster": self._cluster, "service": service.service_name} | changes
        try:
            return (await self._aws.ask("ecs:UpdateService", OneService, **asked)).service
        except Fault as fault:
            self._lost = errors.may_have_happened(fault)
            raise

    async def _is_gone(self, failure: Failure) -> bool:
        """Whether a change failed because the service was deleted meanwhile."""
        if failure.aws_code in controllers.GONE:
            return True
        if failure.code not in {Code.INVALID, Code.NOT_FOUND, Code.CONFLICT}:
            return False
        # TagResource has no code of its own for that.
        service = await self._standing()
        return service is None or not translate.is_active(service)

    async def _finish(self, before: Service | None, service: Service, parts: Parts) -> RolledOut:
        made_it = self._lost and before and before.task_definition == parts.task_definition
        left = await self._tidy(before, parts.task_definition)
        for words in left:
            log.warning("left behind: %s", words)
        if before is None or made_it:
            return RolledOut(parts, None, None, service, True, left, set())
        images = self._provisioning.images(before.task_definition)
        return RolledOut(parts, before, images, service, False, left, self._removed)

    async def _tidy(self, before: Service | None, current: str) -> list[str]:
        """Deregister what no service needs of the task definitions, when there is a new one."""
        registered = self._provisioning.registered
        if registered is None:
            return []
        if registered != current:
            work = revisions.deregister(self._aws, registered)
            return (await attempt(self._call, f'the task definition "{registered}"', work)).left
        used = {before.task_definition} if before else set()
        work = revisions.prune(self._aws, current, used, self._settings.ecs_keep_revisions)
        return (await attempt(self._call, "old task definitions", work, TIDYING_S)).left

    async def _take_back(self) -> list[str]:
        """What could not be taken back, in words."""
        undo = self._provisioning.undo
        if not undo.words:
            return []
        if self._lost:
            may_be = "a service that uses it may have been created or changed"
            return [f"{what}: {may_be}" for what in undo.words]
        try:
            service = await self._standing()
        except Fault as unknown:
            # It may use what was made: then nothing of that must go.
            return [f"{what}: {unknown.message}" for what in undo.words]
        return await undo.take_back(service)

    async def _standing(self) -> Service | None:
        return await deployments.standing(self._aws, self._cluster, self._wanted.name)
