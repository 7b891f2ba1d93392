"""The routes of an application on a load balancer's listener: read, applied and deleted."""

import logging
from collections.abc import Awaitable

from contracts.faults import Code, Fault
from contracts.resources import Deletion, Object
from worker.provider import Call
from worker.providers.ecs import names, observed
from worker.providers.ecs.aws.client import BoundClient, Client
from worker.providers.ecs.aws.errors import Failure
from worker.providers.ecs.elb import requests
from worker.providers.ecs.elb.listener import Listener, Owners
from worker.providers.ecs.elb.requests import DescribedListener
from worker.providers.ecs.elb.rules import Rule
from worker.providers.ecs.routes import (
    backends,
    http_route,
    observations,
    route_plan,
    rule_sets,
    writer,
)
from worker.providers.ecs.routes.backends import Backend
from worker.providers.ecs.routes.reconcile import Reconciliation
from worker.providers.ecs.routes.writer import Reservations, Writer
from worker.shared_reads import SharedReads
from worker.ttl_cache import TtlCache

log = logging.getLogger(__name__)

VARIABLE = "PLT_ECS_LISTENER_ARN"

SHARED_RULES = 60
"""The most rules of a listener that are read with all their tags for one application. They take
5 requests: 1 for the listener, 1 for the rules and 3 for the tags. AWS's rate of 10 requests/s
allows as many to four workers every 2 s."""
REMEMBERED_S = 600.0


class Routing:
    """The routes on the worker's listener, if it is configured with one."""

    def __init__(self, client: Client, shared: SharedReads) -> None:
        self._client = client
        self._shared = shared
        self._has_many: TtlCache[str, bool] = TtlCache(1, REMEMBERED_S)
        """True if the listener has more than SHARED_RULES rules."""
        self._arn = client.settings.ecs_listener_arn
        self._base_s = client.settings.ecs_priority_retry_base_ms / 1000
        self._first_poll_s = client.settings.ecs_cleanup_retry_base_ms / 1000
        self._owners = Owners()
        self._reservations: Reservations = {}

    async def gateways(self, call: Call, cluster: str) -> list[Object]:
        """Return the listener as a gateway; none if it is not configured or was deleted."""
        arn = self._arn
        if arn is None:
            return []

        async def describe(call: Call) -> list[DescribedListener]:
            return await requests.describe_listener(self._client.for_call(call), arn)

        try:
            found = await self._shared.read(("listener", arn), call, describe)
        except Failure as failure:
            if failure.aws_code not in {"ListenerNotFound", "LoadBalancerNotFound"}:
                raise
            log.error("%s names a listener that does not exist: %s", VARIABLE, failure.message)
            return []
        return [http_route.gateway(each, names.cluster_name(cluster)) for each in found]

    async def apply(self, call: Call, cluster: str, specification: Object) -> Object:
        """Apply a route plan, and return the numbers of new and of former rules."""
        plan = route_plan.read(specification, cluster)
        aws = self._client.for_call(call)
        listener = self._listener(aws, cluster, plan.application)
        if listener is None:
            raise Fault(
                Code.INVALID,
                f"plan: expected a worker with {VARIABLE}, the listener that routes are made on; "
                "it is not set",
            )

        def find() -> Awaitable[dict[str, Backend]]:
            return backends.find(aws, cluster, plan)

        found = await find()
        made = Reconciliation(
            listener,
            Writer(listener, call, self._reservations, self._base_s),
            plan,
            found,
            find,
            self._first_poll_s,
        )
        return await made.run(call)

    async def read(self, call: Call, cluster: str, name: str) -> Object:
        """Return the routes in force as an HTTPRoute, or raise `not_found`."""
        route_plan.application(name, "name")
        scope = names.cluster_name(cluster)
        if self._arn is not None and (found := await self._in_force(call, self._arn, scope, name)):
            return http_route.route(name, scope, self._arn, found)
        raise self._absent(cluster, name)

    async def _in_force(
        self, call: Call, arn: str, scope: str, application: str
    ) -> tuple[Rule, ...]:
        """Return the rules of an application in force; absent ones are looked up at AWS."""

        async def own(call: Call) -> list[Rule]:
            aws = self._client.for_call(call)
            return await Listener(aws, arn, application, scope, self._owners).read()

        async def all_rules(call: Call) -> list[Rule]:
            # Without a cache of owners, because the tags of all applications must be current.
            aws = self._client.for_call(call)
            return await Listener(aws, arn, application, scope, Owners()).read()

        if not self._shared.shares(call):
            return rule_sets.state(await own(call), application, scope).in_force
        if self._has_many.get(arn):
            found = await self._shared.read(("rules", arn, scope, application), call, own)
        else:
            found = await self._shared.read(("rules", arn), call, all_rules)
        if len(found) > SHARED_RULES:
            self._has_many.put(arn, True)
        in_force = rule_sets.state(found, application, scope).in_force
        return in_force or rule_sets.state(await own(call), application, scope).in_force

    async def delete(self, call: Call, cluster: str, name: str) -> Object:
        """Delete all rules, including placeholder rules, or raise `not_found`."""
        route_plan.application(name, "name")
        listener = self._listener(self._client.for_call(call), cluster, name)
        if listener is None:
            raise self._absent(cluster, name)
        found = await writer.read(listener)
        before = observations.routes(found.in_force)
        call.observed(before, None)
        owned = [*found.own, *found.placeholders]
        await listener.clear(owned)
        if not owned:
            raise self._absent(cluster, name)
        call.observed(before, observed.ABSENT)
        return Deletion(name, True).answer()

    def _listener(self, aws: BoundClient, cluster: str, application: str) -> Listener | None:
        if self._arn is None:
            return None
        scope = names.cluster_name(cluster)
        return Listener(aws, self._arn, application, scope, self._owners)

    def _absent(self, cluster: str, name: str) -> Fault:
        why = "" if self._arn else f": the worker has no {VARIABLE}, so there are no routes at all"
        scope = names.cluster_name(cluster)
        return Fault(
            Code.NOT_FOUND,
            f'there is no route of the application "{name}" in the cluster "{scope}"{why}',
        )
