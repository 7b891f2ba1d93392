"""The reads of one query: from informers that fulfil its freshness, otherwise live."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from contracts.resources import Machine
from worker.provider import Call
from worker.providers.k8s import translate
from worker.providers.k8s.api.client import BoundClient
from worker.providers.k8s.informers.in_use import Informers
from worker.providers.k8s.informers.store import Store
from worker.providers.k8s.informers.watching import Source
from worker.providers.k8s.kinds import PODS, SHAPES, ResourceType
from worker.providers.k8s.objects import (
    ListOf,
    Metadata,
    OwnerReference,
    Pod,
    Replication,
    Service,
    Workload,
)
from worker.providers.k8s.selectors import Selector

WAIT_S = 0.05
"""The longest wait for an informer to reach a version, before the query is answered live."""

List = list[Any]
"""A list of objects; the class has a method `list`."""

PAGES: dict[Any, Any] = {
    Pod: ListOf[Pod],
    Service: ListOf[Service],
    Workload: ListOf[Workload],
    Replication: ListOf[Replication],
}
"""The struct of a page by the struct of its objects."""


class _Translated(NamedTuple):
    """A machine, and what it was translated from."""

    pod: Pod
    controller: OwnerReference | None
    machine: Machine


class Reads:
    """Reads objects for a call, and reports to it which versions they show."""

    def __init__(self, kube: BoundClient, informers: Informers | None, call: Call) -> None:
        """Without `informers` all reads are live."""
        self._kube = kube
        self._informers = informers
        self._call = call
        self._machines: dict[str, _Translated] = {}

    async def get(self, resource: ResourceType, namespace: str, name: str) -> Any:
        """Return one object; `Absent` is raised only after the API server was asked."""
        store = await self.store(resource, namespace)
        found = store.get(name) if store is not None else None
        return found if found is not None else await self.get_live(resource, namespace, name)

    async def list(
        self, resource: ResourceType, namespace: str, selector: Selector | None = None
    ) -> List:
        """Return all objects of a collection that a selector matches."""
        store = await self.store(resource, namespace)
        if store is not None:
            return store.select(selector)
        return await self.list_live(resource, namespace, selector)

    async def get_live(self, resource: ResourceType, namespace: str, name: str) -> Any:
        """Return one object as the API server has it."""
        found: Any = await self._kube.get(resource.path(namespace, name), SHAPES[resource])
        self._showed(resource, [found.metadata])
        return found

    async def list_live(
        self, resource: ResourceType, namespace: str, selector: Selector | None = None
    ) -> List:
        """Return the objects of a collection as the API server has them."""
        text = selector.text if selector is not None else None
        found: List = await self._kube.list(resource.path(namespace), PAGES[SHAPES[resource]], text)
        self._showed(resource, (each.metadata for each in found))
        return found

    def machine(self, pod: Pod, controller: OwnerReference | None) -> Machine:
        """Translate a pod to a machine, which is kept with the pod in the store of an informer."""
        name = pod.metadata.name
        known = self._machines.get(name)
        if known is None or known.pod is not pod or known.controller != controller:
            machine = translate.machine(pod, controller)
            known = self._machines[name] = _Translated(pod, controller, machine)
        return known.machine

    async def store(self, resource: ResourceType, namespace: str) -> Store[Any] | None:
        """Return the store of a collection, None if the query must be answered live."""
        freshness = self._call.freshness
        if self._informers is None or freshness is None or freshness.max_age_s == 0:
            return None
        shape = SHAPES[resource]
        informer = self._informers.used(Source(resource, namespace, shape, PAGES[shape]))
        if informer is None or not informer.is_trusted:
            return None
        least = freshness.versions.get(resource.plural, 0)
        # The age is read before the check, so that no answer states one beyond the limit.
        is_reached, age = await informer.reach(least, WAIT_S), informer.age
        if not is_reached or not informer.is_trusted:
            return None
        if freshness.max_age_s is not None and age > freshness.max_age_s:
            return None
        self._call.showed(resource.plural, informer.changed, age)
        if resource is PODS:
            self._machines = informer.store.derived
        return informer.store

    def _showed(self, resource: ResourceType, found: Iterable[Metadata]) -> None:
        """Report the newest version of objects that were read live."""
        if self._call.freshness is None:
            return
        texts = (each.resource_version or "" for each in found)
        newest = max((int(text) for text in texts if text.isascii() and text.isdigit()), default=0)
        self._call.showed(resource.plural, newest)
