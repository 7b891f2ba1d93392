"""Warn a caller who sets replicas if an autoscaler manages the controller.

KEDA creates a HorizontalPodAutoscaler for each ScaledObject, which owns it.
"""

import asyncio
import logging

from contracts.faults import Fault
from worker.provider import Call
from worker.providers.k8s.api.client import BoundClient
from worker.providers.k8s.api.errors import MissingRight, NoSuchApi
from worker.providers.k8s.informers.in_use import Informers
from worker.providers.k8s.informers.watching import Source
from worker.providers.k8s.kinds import AUTOSCALERS, ResourceType
from worker.providers.k8s.objects import ListOf, Metadata, Part
from worker.ttl_cache import TtlCache

log = logging.getLogger(__name__)

LOOKUP_TIMEOUT_S = 1.0
"""The longest time that the lookup adds to a change that has already succeeded."""

NAMESPACES_REMEMBERED = 10_000
UNLISTABLE_LIFETIME_S = 600
"""Time until a namespace is listed again: the right may have been granted."""


class ScaleTarget(Part, frozen=True):
    """The controller that an autoscaler scales."""

    kind: str
    name: str
    api_version: str | None = None


class AutoscalerSpec(Part, frozen=True):
    """The target of an autoscaler, and its bounds."""

    scale_target_ref: ScaleTarget
    max_replicas: int
    min_replicas: int = 1


class HorizontalPodAutoscaler(Part, frozen=True):
    """An autoscaler, created by a user or by KEDA."""

    metadata: Metadata
    spec: AutoscalerSpec


class Autoscalers:
    """Looks up autoscalers, except in namespaces where the worker may not list them."""

    def __init__(self, informers: Informers | None) -> None:
        """Without `informers` each lookup asks the API server."""
        self._informers = informers
        self._unlistable: TtlCache[str, bool] = TtlCache(
            NAMESPACES_REMEMBERED, UNLISTABLE_LIFETIME_S
        )

    async def warn(
        self, kube: BoundClient, call: Call, kind: ResourceType, namespace: str, name: str
    ) -> None:
        """Warn the caller if an autoscaler manages the controller; a failed lookup is only logged.

        The replicas are already set.
        """
        if self._unlistable.get(namespace):
            return
        try:
            async with asyncio.timeout(min(LOOKUP_TIMEOUT_S, call.left() / 2)):
                found = await self._list(kube, namespace)
        except (MissingRight, NoSuchApi) as fault:
            self._unlistable.put(namespace, True)
            log.info("autoscalers in %s are not looked up: %s", namespace, fault.message)
        except TimeoutError:
            log.warning("autoscalers in %s: no answer within %s s", namespace, LOOKUP_TIMEOUT_S)
        except Fault as fault:
            log.warning("autoscalers in %s: %s", namespace, fault.message)
        else:
            for each in found:
                if manages(each, kind, name):
                    call.warn(_warning(each, kind, name))

    async def _list(self, kube: BoundClient, namespace: str) -> list[HorizontalPodAutoscaler]:
        if self._informers is not None:
            page = ListOf[HorizontalPodAutoscaler]
            source = Source(AUTOSCALERS, namespace, HorizontalPodAutoscaler, page)
            store = self._informers.trusted(source)
            if store is not None:
                return store.select(None)
        return await kube.list(AUTOSCALERS.path(namespace), ListOf[HorizontalPodAutoscaler])


def manages(autoscaler: HorizontalPodAutoscaler, kind: ResourceType, name: str) -> bool:
    """Return whether an autoscaler scales a controller, in any version of its API group."""
    target = autoscaler.spec.scale_target_ref
    group = (target.api_version or kind.api_version).rpartition("/")[0]
    return (target.kind, target.name, group) == (
        kind.name,
        name,
        kind.api_version.rpartition("/")[0],
    )


def _warning(autoscaler: HorizontalPodAutoscaler, kind: ResourceType, name: str) -> str:
    owners = autoscaler.metadata.owner_references or ()
    owner = next((f' of the {each.kind} "{each.name}"' for each in owners if each.controller), "")
    bounds = f"{autoscaler.spec.min_replicas} to {autoscaler.spec.max_replicas}"
    return (
        f'the replicas of the {kind.name} "{name}" are managed by the HorizontalPodAutoscaler '
        f'"{autoscaler.metadata.name}"{owner} ({bounds} replicas), which may change them again at '
        "any time"
    )
