"""Finds or makes all that a service refers to, and can take back what was made."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from msgspec import UNSET, Struct

from worker.provider import Call
from worker.providers.ecs import (
    bootstrap,
    cloud_map,
    names,
    pull_secrets,
    revisions,
    target_groups,
    task_definitions,
)
from worker.providers.ecs.best_effort import attempt
from worker.providers.ecs.client import Conversation
from worker.providers.ecs.deployments import Parts
from worker.providers.ecs.endpoints import Endpoints
from worker.providers.ecs.objects import Service
from worker.providers.ecs.settings import Settings
from worker.providers.ecs.target_groups import Vpcs
from worker.providers.ecs.workload import Wanted


class Made(NamedTuple):
    """Something that this run made and can take back."""

    what: str
    arn: str
    take_back: Callable[[], Awaitable[None]]


class Region(Struct, frozen=True):
    """What all runs in one region share: how it is configured, and what never changes in it."""

    settings: Settings
    endpoints: Endpoints
    vpcs: Vpcs


class Provisioning:
    """What one run finds and makes for the service of a workload."""

    def __init__(
        self, talk: Conversation, call: Call, region: Region, cluster: str, wanted: Wanted
    ) -> None:
        settings = region.settings
        self._talk = talk
        self._call = call
        self._region = region
        self._settings = settings
        self._owner = names.cluster_name(cluster)
        self._wanted = wanted
        self._cleanup_s = settings.ecs_cleanup_retry_base_ms / 1000
        self._priority_s = settings.ecs_priority_retry_base_ms / 1000
        self._secret: str | None = None
        self._made: list[Made] = []
        self.registered: str | None = None
        """The task definition that this run made."""
        self.images: dict[str, list[str]] = {}
        """The images of the task definitions that this run read, by their ARNs."""

    async def parts(self, service: Service | None) -> Parts:
        """All that the service refers to; what it has already stays, as far as it fits."""
        secret = await self._pull_secret()
        task_definition = await self._task_definition(service, secret)
        registry = await self._registry(service)
        hostname = await self._hostname(registry)
        return Parts(task_definition, registry, hostname, await self._target_groups(service))

    async def take_back(self, service: Service | None) -> list[str]:
        """Remove what was made, and say what is left of it and why.

        What a service uses stays: its deletion removes it, and a repeat finds it.
        """
        left: list[str] = []
        for made in reversed(self._made):
            if service is None or self._is_superfluous(made, service):
                left += (await attempt(self._call, made.what, made.take_back())).left
        return left

    def _is_superfluous(self, made: Made, service: Service) -> bool:
        return made.arn == self.registered and made.arn != service.task_definition

    @property
    def made(self) -> list[str]:
        """What was made, in words."""
        return [each.what for each in self._made]

    async def _pull_secret(self) -> str | None:
        wanted = self._wanted.workload.pull_secret
        if wanted is None or self._secret is not None:
            return self._secret
        name = pull_secrets.secret_name(self._wanted.name)
        arn, created = await pull_secrets.settle(
            self._talk, self._call, self._owner, name, wanted, self._cleanup_s
        )
        if created:
            self._note(f'the secret "{name}"', arn, lambda: pull_secrets.discard(self._talk, name))
        self._secret = arn
        return arn

    async def _task_definition(self, service: Service | None, secret: str | None) -> str:
        name = self._wanted.name
        definition = task_definitions.definition(
            self._wanted.workload, name, self._wanted.size, self._settings, secret
        )
        # The newest of the family may be there because an earlier try was cut short.
        for present in dict.fromkeys([(service and service.task_definition) or name, name]):
            found = await revisions.find(self._talk, present)
            if found is not None:
                arn = found.task_definition.task_definition_arn
                self.images[arn] = revisions.images(found)
                if revisions.is_same(found, definition):
                    return arn
        if self.registered is None:
            arn = await revisions.register(self._talk, self._owner, definition)
            self.registered = arn
            what = f'the task definition "{arn}"'
            self._note(what, arn, lambda: revisions.deregister(self._talk, arn))
        return self.registered

    async def _registry(self, service: Service | None) -> str | None:
        present = [each.registry_arn for each in service.service_registries] if service else []
        namespace = self._settings.ecs_cloud_map_namespace_id
        if present or namespace is None:
            return next(iter(present), None)
        entry, created = await cloud_map.settle(
            self._talk, namespace, self._owner, self._wanted.name
        )
        if created:
            self._note(
                f'the name "{entry.name}" in Cloud Map',
                entry.arn,
                lambda: cloud_map.discard(self._talk, self._call, entry.id, self._cleanup_s),
            )
        return entry.arn

    async def _hostname(self, registry: str | None) -> str | None:
        if registry is None:
            return None
        found = await self._region.endpoints.hostname(self._talk, registry)
        return None if found is UNSET else found

    async def _target_groups(self, service: Service | None) -> list[str]:
        balancers = service.load_balancers if service else []
        present = [each.target_group_arn for each in balancers if each.target_group_arn]
        for arn in present:
            if target_groups.is_of(self._wanted.name, arn):
                await target_groups.follow(self._talk, arn, self._wanted)
        listener = self._settings.ecs_listener_arn
        if present or listener is None:
            return present
        arn = await self._target_group(listener)
        await self._tie(listener, arn)
        return [arn]

    async def _target_group(self, listener: str) -> str:
        vpc = await self._region.vpcs.of(self._talk, listener)
        arn, created = await target_groups.settle(self._talk, self._owner, self._wanted, vpc)
        if created:
            what = f'the target group "{target_groups.group_name(self._wanted.name)}"'
            self._note(
                what,
                arn,
                lambda: target_groups.discard(self._talk, self._call, arn, self._cleanup_s),
            )
        return arn

    async def _tie(self, listener: str, group: str) -> None:
        rule = await bootstrap.tie(
            self._talk, self._call, listener, self._owner, self._wanted, group, self._priority_s
        )
        if rule is not None:
            self._note(f'the rule "{rule}"', rule, lambda: bootstrap.delete_rule(self._talk, rule))

    def _note(self, what: str, arn: str, take_back: Callable[[], Awaitable[None]]) -> None:
        self._made.append(Made(what, arn, take_back))
