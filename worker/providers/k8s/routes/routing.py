"""Gateways and HTTPRoutes, on clusters that have the Gateway API and on those that lack it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from msgspec import convert

from contracts.faults import Code, Fault
from contracts.neutral.route_plan import RoutePlan
from contracts.resources import Object
from worker.gather_all import gather_all
from worker.provider import Call
from worker.providers.k8s import names, observed
from worker.providers.k8s.api.client import BoundClient
from worker.providers.k8s.api.errors import Again, Denied, Failure, MissingRight, NoSuchApi
from worker.providers.k8s.api.requests import JSON_PATCH
from worker.providers.k8s.kinds import GATEWAYS, HTTP_ROUTES, SERVICES
from worker.providers.k8s.objects import ListOf, Owned, Service
from worker.providers.k8s.routes import route_plan
from worker.providers.k8s.routes.gateways import (
    Candidate,
    Gateway,
    Namespace,
    admits,
    choose,
    http_port,
    needs_namespace_labels,
)
from worker.providers.k8s.workloads.applying import create_or_update

log = logging.getLogger(__name__)

Shape = TypeVar("Shape")
SharedGateways = tuple[tuple[str, str], ...]
"""Namespaces and names of Gateways to which routes of other namespaces may attach."""


@contextmanager
def with_gateway_api() -> Iterator[None]:
    """Translate the absence of the Gateway API into a fault that names the API to install."""
    try:
        yield
    except NoSuchApi as failure:
        raise Fault(
            Code.UNSUPPORTED,
            "this cluster has no HTTPRoutes: the Gateway API (gateway.networking.k8s.io/v1) is not "
            "installed in it",
        ) from failure


async def gateways(kube: BoundClient, namespace: str, shared: SharedGateways) -> list[Object]:
    """Return the Gateways to which routes of a namespace can attach, its own Gateways first.

    The list is empty on a cluster without the Gateway API.
    """
    try:
        own = await kube.list(GATEWAYS.path(namespace), ListOf[Object])
    except NoSuchApi:
        return []
    found, _ = await _read_shared(kube, namespace, shared, Object)
    candidates = [Candidate(where, convert(each, Gateway)) for where, each in found]
    route_namespace = await _read_namespace(kube, namespace, candidates)
    admitted = zip(found, candidates, strict=True)
    return own + [each for (_, each), candidate in admitted if admits(candidate, route_namespace)]


async def _read_shared(
    kube: BoundClient, namespace: str, shared: SharedGateways, shape: type[Shape]
) -> tuple[list[tuple[str, Shape]], list[str]]:
    """Return the shared Gateways of other namespaces, and the reasons for unreadable ones."""
    found: list[tuple[str, Shape]] = []
    unread: list[str] = []
    for where, name in shared:
        if where == namespace:
            continue
        try:
            found.append((where, await kube.get(GATEWAYS.path(where, name), shape)))
        except Failure as failure:
            if failure.code is not Code.NOT_FOUND and not isinstance(failure, MissingRight):
                raise
            log.warning("the shared Gateway %s/%s: %s", where, name, failure.message)
            unread.append(f"{where}/{name} of PLT_K8S_GATEWAYS: {failure.message}")
    return found, unread


async def apply_plan(
    kube: BoundClient, call: Call, namespace: str, plan: RoutePlan, shared: SharedGateways
) -> Object:
    """Apply a plan to the HTTPRoute of an application in one write."""
    parent, ports = await _gateway_and_ports(kube, namespace, plan, shared)
    gateway = (parent.namespace, parent.gateway.metadata.name)
    wanted = route_plan.route(plan, namespace, gateway, ports)
    update = Update(kube, HTTP_ROUTES.path(namespace, plan.app_name), plan, wanted)
    applied = await create_or_update(kube, HTTP_ROUTES, namespace, wanted, update)
    call.observed(*observed.written(HTTP_ROUTES, applied.former, applied.found))
    created, deleted = route_plan.counts(applied.former, applied.found)
    return {"appName": plan.app_name, "created": created, "deleted": deleted}


class Update:
    """Replace the plan that was read by a plan that is not older."""

    def __init__(self, kube: BoundClient, path: str, plan: RoutePlan, wanted: Object) -> None:
        self._kube = kube
        self._path = path
        self._plan = plan
        self._wanted = wanted
        self._refused: list[Object] | None = None

    async def __call__(self, live: Object) -> Object:
        route_plan.refuse_older(live, self._plan)
        guard = route_plan.guard(live)
        patch = guard + route_plan.change(live, self._wanted)
        try:
            return await self._kube.patch(self._path, patch, Object, JSON_PATCH)
        except Failure as failure:
            # A failed test and an invalid route are both 422: the route is invalid only if the
            # tests still hold at the second read.
            is_refused = isinstance(failure, Denied) or guard == self._refused
            if is_refused or failure.code is not Code.PLATFORM_INVALID:
                raise
            self._refused = guard
            raise Failure(
                Code.PLATFORM_FAILED,
                f"other clients kept changing the route: {failure.message}",
                again=Again.MOVED,
            ) from failure


async def _gateway_and_ports(
    kube: BoundClient, namespace: str, plan: RoutePlan, shared: SharedGateways
) -> tuple[Candidate, dict[str, int]]:
    """Return the Gateway to attach to, and the port of each backend."""
    with with_gateway_api():
        own = await kube.list(GATEWAYS.path(namespace), ListOf[Gateway])
        others, unread = await _read_shared(kube, namespace, shared, Gateway)
    candidates = [Candidate(namespace, each) for each in own]
    candidates += [Candidate(where, each) for where, each in others]
    route_namespace = await _read_namespace(kube, namespace, candidates)
    parent = choose(candidates, plan.hostname, route_namespace)
    if parent is None:
        raise _no_gateway(namespace, plan.hostname, candidates, unread)
    services = route_plan.backends(plan)
    ports = await gather_all(
        *(_port(kube, namespace, name, where) for name, where in services.items())
    )
    return parent, dict(zip(services, ports, strict=True))


async def _read_namespace(
    kube: BoundClient, namespace: str, candidates: list[Candidate]
) -> Namespace:
    """Return the namespace, with its labels if a listener needs them and the worker may read it."""
    if not needs_namespace_labels(candidates):
        return Namespace(namespace)
    try:
        found = await kube.get(names.namespace_path(namespace), Owned)
    except MissingRight as failure:
        log.info("the labels of the namespace %s are unknown: %s", namespace, failure.message)
        return Namespace(namespace)
    except Failure as failure:
        if failure.code is not Code.NOT_FOUND:
            raise
        return Namespace(namespace, {})
    return Namespace(namespace, found.metadata.labels or {})


def _no_gateway(
    namespace: str, hostname: str | None, candidates: list[Candidate], unread: list[str]
) -> Fault:
    there = [each.shown for each in candidates] + unread
    if not there:
        return Fault(
            Code.INVALID,
            f'plan: there is no Gateway in the namespace "{namespace}" that a route could attach '
            "to, and PLT_K8S_GATEWAYS of the worker names none in another",
        )
    wanted = f'for the hostname "{hostname}"' if hostname else "for HTTP"
    return Fault(
        Code.INVALID,
        f"plan: there is no Gateway with a listener {wanted} that admits routes of the namespace "
        f'"{namespace}": {"; ".join(there)}',
    )


async def _port(kube: BoundClient, namespace: str, name: str, where: str) -> int:
    try:
        service = await kube.get(SERVICES.path(namespace, name), Service)
    except Fault as fault:
        if fault.code is not Code.NOT_FOUND:
            raise
        # Not 404, which would mean that the route itself is absent.
        raise Fault(
            Code.INVALID,
            f'{where}: there is no service "{name}" in the namespace "{namespace}"',
        ) from fault
    port = http_port(service.spec.ports or ())
    if port is None:
        raise Fault(
            Code.INVALID, f'{where}: the service "{name}" has no TCP port to send requests to'
        )
    return port.port
