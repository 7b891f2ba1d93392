"""Creates or updates the service of a workload, and undoes its steps after a failure."""

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
"""The number of attempts if another writer creates or deletes the service meanwhile."""
PRUNING_S = 5.0
"""The longest time that deregistering may delay the answer."""
MAY_EXIST = frozenset({Code.INVALID, Code.CONFLICT, Code.PLATFORM_FAILED})
"""Failures of a creation if the service exists, or if the answer was lost."""
OVERTAKEN = re.compile("not idempotent|still draining", re.IGNORECASE)
"""Messages about an existing service, for which AWS has no code."""


class RolledOut(Struct, frozen=True):
    """The result of a roll-out; `before` is the former service, `left` are messages.

    `former_images` are those of the former service, None if its task definition was not found.
    `removed` are the keys of the tags that were removed.
    """

    parts: Parts
    before: Service | None
    former_images: list[str] | None
    service: Service
    created: bool
    left: list[str]
    removed: set[str]

    def answer(self, wanted: Wanted) -> Object:
        """Return the result of the operation."""
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
        """Return before and after, for the command's outcome."""
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
    """One run of a roll-out."""

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
        """Create or update the service; a fault names what could not be undone."""
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
            before = await deployments.after_draining(
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
            f'other writers keep creating and deleting the service "{self._wanted.name}"',
        )

    async def _create(self, parts: Parts) -> Service | None:
        """The new service, or None if one exists by now."""
        parameters = deployments.creation(self._settings, self._cluster, self._wanted, parts)
        try:
            return (await self._aws.ask("ecs:CreateService", OneService, **parameters)).service
        except Fault as fault:
            self._lost = errors.may_have_happened(fault)
            if not await self._overtaken(fault):
                raise
            return None

    async def _overtaken(self, fault: Fault) -> bool:
        """Return whether a service of the name exists, or existed when the creation failed."""
        if fault.code not in MAY_EXIST:
            return False
        return OVERTAKEN.search(fault.message) is not None or await self._existing() is not None

    async def _update(self, service: Service, parts: Parts) -> Service | None:
        """The changed service, or None if it was deleted meanwhile."""
        tags = deployments.new_tags(service, self._wanted)
        self._removed = await self._provisioning.former_labels(service)
        relabelling = Relabelling(self._aws, service, tags, self._removed)
        changes = deployments.changes(service, self._wanted, parts)
        if not changes and (relabelling.concerns_machines or controllers.is_stopped(service)):
            # Tasks keep the tags that they started with, and a deployment that the circuit
            # breaker stopped starts no tasks: both need a new deployment.
            changes = deployments.REPLACE_TASKS
        undo = self._provisioning.undo
        what = f'the tags of the service "{service.service_name}"'
        try:
            # First, because new tasks get the tags that the service has when they start.
            with undo.trying(what, relabelling.undo):
                await relabelling.do()
            return await self._ask_update(service, changes) if changes else service
        except Failure as failure:
            if not await self._is_deleted(failure):
                raise
            undo.drop(what)
            return None

    async def _ask_update(self, service: Service, changes: Object) -> Service:
        parameters: Object = {"cluster": self._cluster, "service": service.service_name} | changes
        try:
            return (await self._aws.ask("ecs:UpdateService", OneService, **parameters)).service
        except Fault as fault:
            self._lost = errors.may_have_happened(fault)
            raise

    async def _is_deleted(self, failure: Failure) -> bool:
        """Return whether a change failed because the service was deleted meanwhile."""
        if failure.aws_code in controllers.DELETED:
            return True
        if failure.code not in {Code.INVALID, Code.NOT_FOUND, Code.CONFLICT}:
            return False
        # TagResource has no code for a deleted service.
        service = await self._existing()
        return service is None or not translate.is_active(service)

    async def _finish(self, before: Service | None, service: Service, parts: Parts) -> RolledOut:
        made_it = self._lost and before and before.task_definition == parts.task_definition
        left = await self._prune(before, parts.task_definition)
        for words in left:
            log.warning("left behind: %s", words)
        if before is None or made_it:
            return RolledOut(parts, None, None, service, True, left, set())
        images = self._provisioning.images(before.task_definition)
        return RolledOut(parts, before, images, service, False, left, self._removed)

    async def _prune(self, before: Service | None, current: str) -> list[str]:
        """Deregister unused task definitions if there is a new one."""
        registered = self._provisioning.registered
        if registered is None:
            return []
        if registered != current:
            work = revisions.deregister(self._aws, registered)
            return (await attempt(self._call, f'the task definition "{registered}"', work)).left
        used = {before.task_definition} if before else set()
        work = revisions.prune(self._aws, current, used, self._settings.ecs_keep_revisions)
        return (await attempt(self._call, "old task definitions", work, PRUNING_S)).left

    async def _take_back(self) -> list[str]:
        """Undo the run; return messages about what could not be undone."""
        undo = self._provisioning.undo
        if not undo.descriptions:
            return []
        if self._lost:
            reason = "a service that uses it may have been created or changed"
            return [f"{what}: {reason}" for what in undo.descriptions]
        try:
            service = await self._existing()
        except Fault as unknown:
            # A service may use the new resources, so that none must be deleted.
            return [f"{what}: {unknown.message}" for what in undo.descriptions]
        return await undo.take_back(service)

    async def _existing(self) -> Service | None:
        return await deployments.existing(self._aws, self._cluster, self._wanted.name)
