"""Gateways and HTTPRoutes, on clusters that have the Gateway API and on those that lack it."""

from collections.abc import Iterator
from contextlib import contextmanager

from contracts.faults import Code, Fault
from contracts.resources import Object
from contracts.route_plan import RoutePlan
from worker.provider import Call
from worker.providers.k8s import observed, route_plan
from worker.providers.k8s.applying import settle
from worker.providers.k8s.client import Conversation
from worker.providers.k8s.errors import Again, Failure, NoSuchApi
from worker.providers.k8s.kinds import GATEWAYS, HTTP_ROUTES, SERVICES
from worker.providers.k8s.objects import ListOf, Owned, Service
from worker.providers.k8s.requests import JSON_PATCH
from worker.together import together


@contextmanager
def with_gateway_api() -> Iterator[None]:
    """Turn the absence of the Gateway API into words that say what to install."""
    try:
        yield
    except NoSuchApi as failure:
        raise Fault(
            Code.UNSUPPORTED,
            "this cluster has no HTTPRoutes: the Gateway API (gateway.networking.k8s.io/v1) is not "
            "installed in it",
        ) from failure


async def gateways(talk: Conversation, namespace: str) -> list[Object]:
    """The gateways of a namespace; none where the cluster does not know gateways."""
    try:
        return await talk.list(GATEWAYS.path(namespace), ListOf[Object])
    except NoSuchApi:
        return []


async def apply_plan(talk: Conversation, call: Call, namespace: str, plan: RoutePlan) -> Object:
    """Make the route of an application that of a plan, in one write."""
    gateway, ports = await _surroundings(talk, namespace, plan)
    wanted = route_plan.route(plan, namespace, gateway, ports)
    update = Update(talk, HTTP_ROUTES.path(namespace, plan.app_name), plan, wanted)
    settled = await settle(talk, HTTP_ROUTES, namespace, wanted, update)
    call.observed(*observed.written(HTTP_ROUTES, settled.former, settled.found))
    created, deleted = route_plan.counts(settled.former, settled.found)
    return {"appName": plan.app_name, "created": created, "deleted": deleted}


class Update:
    """Replaces one plan by the next: not older, and not the one that another writer put there."""

    def __init__(self, talk: Conversation, path: str, plan: RoutePlan, wanted: Object) -> None:
        self._talk = talk
        self._path = path
        self._plan = plan
        self._wanted = wanted
        self._refused: list[Object] | None = None

    async def __call__(self, live: Object) -> Object:
        route_plan.refuse_older(live, self._plan)
        guard = route_plan.guard(live)
        patch = guard + route_plan.change(live, self._wanted)
        try:
            return await self._talk.patch(self._path, patch, Object, JSON_PATCH)
        except Failure as failure:
            # A test that fails and a route that is not valid look the same: only where the test
            # still holds at the second look is it the route.
            if failure.code is not Code.PLATFORM_INVALID or guard == self._refused:
                raise
            self._refused = guard
            raise Failure(
                Code.PLATFORM_FAILED,
                f"others changed the route all the time: {failure.message}",
                again=Again.MOVED,
            ) from failure


async def _surroundings(
    talk: Conversation, namespace: str, plan: RoutePlan
) -> tuple[str, dict[str, int]]:
    """The gateway to attach to, and the port of each backend."""
    with with_gateway_api():
        found = await talk.list(GATEWAYS.path(namespace), ListOf[Owned])
    if not found:
        raise Fault(
            Code.INVALID,
            f'plan: there is no Gateway in the namespace "{namespace}" that a route could attach '
            "to",
        )
    services = route_plan.backends(plan)
    ports = await together(
        *(_port(talk, namespace, name, where) for name, where in services.items())
    )
    return found[0].metadata.name, dict(zip(services, ports, strict=True))


async def _port(talk: Conversation, namespace: str, name: str, where: str) -> int:
    try:
        service = await talk.get(SERVICES.path(namespace, name), Service)
    except Fault as fault:
        if fault.code is not Code.NOT_FOUND:
            raise
        # The route itself is not absent: 404 would be taken for that.
        raise Fault(
            Code.INVALID,
            f'{where}: there is no service "{name}" in the namespace "{namespace}"',
        ) from fault
    if not service.spec.ports:
        raise Fault(Code.INVALID, f'{where}: the service "{name}" has no port to send requests to')
    return service.spec.ports[0].port
