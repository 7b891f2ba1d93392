"""The routes of an application on a load balancer's listener: found, shown, applied, deleted."""

import logging

from contracts.faults import Code, Fault
from contracts.resources import Object
from worker.provider import Call
from worker.providers.ecs import backends, http_route, names, route_plan
from worker.providers.ecs.client import Client, Conversation
from worker.providers.ecs.errors import Failure
from worker.providers.ecs.listener import Listener
from worker.providers.ecs.plan_applying import Applying

log = logging.getLogger(__name__)

VARIABLE = "PLT_ECS_LISTENER_ARN"


async def gateways(talk: Conversation, listener: str | None, cluster: str) -> list[Object]:
    """The listener as a gateway; none where none is configured, or where it is gone."""
    if listener is None:
        return []
    try:
        found = await talk.ask(
            "elasticloadbalancing:DescribeListeners",
            http_route.DescribedListeners,
            ListenerArns=[listener],
        )
    except Failure as failure:
        if failure.aws_code not in {"ListenerNotFound", "LoadBalancerNotFound"}:
            raise
        log.error("%s names no listener that is there: %s", VARIABLE, failure.message)
        return []
    return [http_route.gateway(each, names.cluster_name(cluster)) for each in found.listeners]


async def apply(client: Client, call: Call, cluster: str, specification: Object) -> Object:
    """Make the routes those of a plan."""
    plan = route_plan.read(specification, cluster)
    settings = client.settings
    if settings.ecs_listener_arn is None:
        raise Fault(
            Code.INVALID,
            f"plan: expected a worker with {VARIABLE}, the listener that routes are made on; it is "
            "not set",
        )
    talk = client.during(call)
    found = await backends.find(talk, cluster, plan)
    scope = names.cluster_name(cluster)
    listener = Listener(talk, settings.ecs_listener_arn, plan.application, scope)
    base_s = settings.ecs_priority_retry_base_ms / 1000
    return await Applying(listener, plan, found, scope, base_s).run(call)


async def read(talk: Conversation, listener: str | None, cluster: str, name: str) -> Object:
    """The routes in force as an HTTPRoute, or `not_found`."""
    route_plan.application(name, "name")
    scope = names.cluster_name(cluster)
    if listener is not None:
        seen = await Listener(talk, listener, name, scope).read()
        if seen.in_force:
            return http_route.route(name, scope, listener, seen.in_force)
    raise _absent(listener, scope, name)


async def delete(talk: Conversation, listener: str | None, cluster: str, name: str) -> Object:
    """Delete all rules, those that only wait as well, or `not_found` where there is none."""
    route_plan.application(name, "name")
    scope = names.cluster_name(cluster)
    if listener is not None:
        rules = Listener(talk, listener, name, scope)
        seen = await rules.read()
        # The last first: no request falls through to a rule that goes next.
        owned = sorted([*seen.own, *seen.waiting], key=lambda rule: -rule.priority)
        for rule in owned:
            await rules.delete(rule.arn)
        if owned:
            return {"appName": name, "deleted": len(owned)}
    raise _absent(listener, scope, name)


def _absent(listener: str | None, cluster: str, name: str) -> Fault:
    where = "" if listener else f": the worker has no {VARIABLE}, so there are no routes at all"
    return Fault(
        Code.NOT_FOUND,
        f'there is no route of the application "{name}" in the cluster "{cluster}"{where}',
    )
