"""Finds or makes the resources that a service refers to, and notes how to undo that."""

from msgspec import UNSET, Struct

from worker.provider import Call
from worker.providers.ecs import names, translate
from worker.providers.ecs.aws.answers import OneTaskDefinition, Service
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.elb import placeholder_rule, requests, target_groups
from worker.providers.ecs.elb.target_groups import TargetGroup, Vpcs
from worker.providers.ecs.endpoints import Endpoints
from worker.providers.ecs.settings import Settings
from worker.providers.ecs.translate import BOUNDS
from worker.providers.ecs.workloads import cloud_map, pull_secrets, revisions, task_definitions
from worker.providers.ecs.workloads.deployments import Parts
from worker.providers.ecs.workloads.undo import UndoLog
from worker.providers.ecs.workloads.workload import Wanted


class Region(Struct, frozen=True):
    """The state that all commands of one region share: settings and caches."""

    settings: Settings
    endpoints: Endpoints
    vpcs: Vpcs
    scrypt_cost: int


class Provisioning:
    """The resources that one run finds and makes for the service of a workload."""

    def __init__(
        self, aws: BoundClient, call: Call, region: Region, cluster: str, wanted: Wanted
    ) -> None:
        settings = region.settings
        self._aws = aws
        self._call = call
        self._region = region
        self._settings = settings
        self._owner = names.cluster_name(cluster)
        self._wanted = wanted
        self._cleanup_s = settings.ecs_cleanup_retry_base_ms / 1000
        self._priority_s = settings.ecs_priority_retry_base_ms / 1000
        self._secret: str | None = None
        self.undo = UndoLog(aws, call)
        self.registered: str | None = None
        """The ARN of the task definition that this run made."""
        self._read: dict[str, OneTaskDefinition] = {}
        """The task definitions that this run read, by their ARNs."""

    async def parts(self, service: Service | None) -> Parts:
        """Return all resources that the service refers to; present ones are kept if they fit."""
        secret = await self._pull_secret()
        task_definition = await self._task_definition(service, secret)
        registry = await self._registry(service)
        hostname = await self._hostname(registry)
        return Parts(task_definition, registry, hostname, await self._target_groups(service))

    def images(self, task_definition: str) -> list[str] | None:
        """Return the images of a task definition, or None if this run did not read it."""
        found = self._read.get(task_definition)
        return None if found is None else revisions.images(found)

    async def former_labels(self, service: Service) -> set[str]:
        """Return the keys of tags that an earlier workload gave a service and the new one lacks.

        The keys are in the service's task definition, and after a roll-back in the newest one.
        Tags from other sources are not returned.
        """
        tags = translate.labels(service.tags)
        rest = {key for key in tags if names.is_own(key)} - self._wanted.tags.keys()
        if rest - self._written():
            await self._look_up(self._wanted.name)
        return rest & self._written()

    def _written(self) -> frozenset[str]:
        return BOUNDS.union(*(revisions.labels(each) for each in self._read.values()))

    async def _look_up(self, task_definition: str) -> OneTaskDefinition | None:
        """Read a task definition by its ARN, or the newest of a family."""
        found = await revisions.find(self._aws, task_definition)
        if found is not None:
            self._read[found.task_definition.task_definition_arn] = found
        return found

    async def _pull_secret(self) -> str | None:
        wanted = self._wanted.workload.pull_secret
        if wanted is None or self._secret is not None:
            return self._secret
        name = pull_secrets.secret_name(self._wanted.name)
        what = f'the secret "{name}"'
        with self.undo.trying(what):
            secret = await pull_secrets.ensure(
                self._aws,
                self._call,
                self._owner,
                name,
                wanted,
                self._cleanup_s,
                self._region.scrypt_cost,
            )
        if secret.created or secret.replaced:
            self.undo.drop(what)
        if secret.created:
            # Only the task definition of this run can refer to the secret.
            self.undo.made(
                what, lambda: pull_secrets.discard(self._aws, name), lambda: self.registered
            )
        elif secret.replaced:
            self.undo.changed(f"{what} with the new credentials")
        self._secret = secret.arn
        return secret.arn

    async def _task_definition(self, service: Service | None, secret: str | None) -> str:
        name = self._wanted.name
        definition = task_definitions.definition(self._wanted, self._settings, secret)
        # The newest revision of the family may be left by an interrupted run.
        for present in dict.fromkeys([(service and service.task_definition) or name, name]):
            found = await self._look_up(present)
            if found is not None and revisions.is_same(found, definition):
                return found.task_definition.task_definition_arn
        if self.registered is None:
            what = f'new revisions of the task definition "{name}"'
            before = self._aws.effects
            with self.undo.trying(what):
                arn = await revisions.register(self._aws, self._owner, definition)
            if self._aws.effects == before + 1:
                # No answer was lost, so that only this revision was made.
                self.undo.drop(what)
            self.registered = arn
            self.undo.made(
                f'the task definition "{arn}"',
                lambda: revisions.deregister(self._aws, arn),
                lambda: arn,
            )
        return self.registered

    async def _registry(self, service: Service | None) -> str | None:
        present = [each.registry_arn for each in service.service_registries] if service else []
        namespace = self._settings.ecs_cloud_map_namespace_id
        if present or namespace is None:
            return next(iter(present), None)
        what = f'the name "{cloud_map.entry_name(self._wanted.name)}" in Cloud Map'
        with self.undo.trying(what):
            entry, created = await cloud_map.ensure(
                self._aws, namespace, self._owner, self._wanted.name
            )
        if created:
            self.undo.drop(what)
            self.undo.made(
                what,
                lambda: cloud_map.discard(self._aws, self._call, entry.id, self._cleanup_s),
                lambda: entry.arn,
            )
        return entry.arn

    async def _hostname(self, registry: str | None) -> str | None:
        if registry is None:
            return None
        found = await self._region.endpoints.hostname(self._aws, registry)
        return None if found is UNSET else found

    async def _target_groups(self, service: Service | None) -> list[str]:
        balancers = service.load_balancers if service else []
        present = [each.target_group_arn for each in balancers if each.target_group_arn]
        listener = self._settings.ecs_listener_arn
        for arn in present:
            if target_groups.is_of(self._wanted.name, arn):
                await self._update_group(listener, arn)
        if present or listener is None:
            return present
        arn = await self._target_group(listener)
        await self._ensure_rule(listener, arn)
        return [arn]

    async def _update_group(self, listener: str | None, arn: str) -> None:
        """Update the health check of a service's target group, and restore its rule."""
        found = await target_groups.by_arn(self._aws, arn)
        if found is None:
            return
        await self._update_check(found)
        if listener is not None and found.load_balancer_arns == []:
            # The route to the target group was deleted: ELB would never find a new task healthy.
            await self._ensure_rule(listener, arn)

    async def _target_group(self, listener: str) -> str:
        vpc = await self._region.vpcs.of(self._aws, listener)
        with self.undo.trying(self._group_description):
            group, created = await target_groups.ensure(
                self._aws,
                self._owner,
                self._wanted.name,
                vpc=vpc,
                port=self._wanted.workload.ports.app,
                check=self._wanted.target_check(),
                tagged=self._wanted.load_balancer_tags(self._owner),
            )
        arn = group.arn
        if created:
            self.undo.drop(self._group_description)
            self.undo.made(
                self._group_description,
                lambda: target_groups.discard(self._aws, self._call, arn, self._cleanup_s),
                lambda: arn,
            )
        else:
            await self._update_check(group)
        return arn

    async def _update_check(self, found: TargetGroup) -> None:
        """Update the health check of the target group."""
        former, check = target_groups.present_check(found), self._wanted.target_check()
        if former == check:
            return
        with self.undo.trying(
            f"the health check of {self._group_description}",
            lambda: target_groups.change_check(self._aws, found.arn, former),
        ):
            await target_groups.change_check(self._aws, found.arn, check)

    @property
    def _group_description(self) -> str:
        return f'the target group "{target_groups.group_name(self._wanted.name)}"'

    async def _ensure_rule(self, listener: str, group: str) -> None:
        what = f"the rule that forwards to {self._group_description}"
        with self.undo.trying(what):
            spec = placeholder_rule.spec(
                self._wanted.name, group, self._wanted.load_balancer_tags(self._owner)
            )
            rule = await placeholder_rule.ensure(
                self._aws, self._call, listener, spec, self._priority_s
            )
        if rule is not None:
            self.undo.drop(what)
            self.undo.made(
                f'the rule "{rule}"',
                lambda: requests.delete_rule(self._aws, rule),
                lambda: group,
            )
