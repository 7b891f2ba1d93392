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
from worker.providers.ecs.routes import backends, http_route, observations, route_plan, writer
from worker.providers.ecs.routes.backends import Backend
from worker.providers.ecs.routes.reconcile import Reconciliation
from worker.providers.ecs.routes.writer import Reservations, Writer

log = logging.getLogger(__name__)

VARIABLE = "PLT_ECS_LISTENER_ARN"


class Routing:
    """The routes on the worker's listener, if it is configured with one."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._arn = client.settings.ecs_listener_arn
        self._base_s = client.settings.ecs_priority_retry_base_ms / 1000
        self._first_poll_s = client.settings.ecs_cleanup_retry_base_ms / 1000
        self._owners = Owners()
        self._reservations: Reservations = {}

    async def gateways(self, call: Call, cluster: str) -> list[Object]:
        """Return the listener as a gateway; none if it is not configured or was deleted."""
        if self._arn is None:
            return []
        try:
            found = await requests.describe_listener(self._client.for_call(call), self._arn)
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
        listener = self._listener(self._client.for_call(call), cluster, name)
        if listener is not None and (found := (await writer.read(listener)).in_force):
            return http_route.route(name, names.cluster_name(cluster), listener.arn, found)
        raise self._absent(cluster, name)

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
