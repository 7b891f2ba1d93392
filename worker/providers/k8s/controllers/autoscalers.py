"""Finds the autoscaler of a controller whose replicas were set: it may change the replicas again.

KEDA scales through a HorizontalPodAutoscaler of its own, which a ScaledObject owns.
"""

import asyncio
import logging

from contracts.faults import Fault
from worker.provider import Call
from worker.providers.k8s.api.client import BoundClient
from worker.providers.k8s.api.errors import MissingRight, NoSuchApi
from worker.providers.k8s.kinds import AUTOSCALERS, ResourceType
from worker.providers.k8s.objects import ListOf, Metadata, Part
from worker.ttl_cache import TtlCache

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""The longest time that a look for an autoscaler adds to a change, which is done by then."""

NAMESPACES_REMEMBERED = 10_000
CLOSED_LIFETIME_S = 600
"""After this time a namespace is asked again for its autoscalers: rights may have been granted."""


class ScaleTarget(Part, frozen=True):
    """What an autoscaler scales."""

    kind: str
    name: str
    api_version: str | None = None


class AutoscalerSpec(Part, frozen=True):
    """What it scales, and between which numbers."""

    scale_target_ref: ScaleTarget
    max_replicas: int
    min_replicas: int = 1


class HorizontalPodAutoscaler(Part, frozen=True):
    """An autoscaler; KEDA makes one for each ScaledObject."""

    metadata: Metadata
    spec: AutoscalerSpec


class Autoscalers:
    """Looks for autoscalers, except in namespaces where the worker lacks the right to list them."""

    def __init__(self) -> None:
        self._closed: TtlCache[str, bool] = TtlCache(NAMESPACES_REMEMBERED, CLOSED_LIFETIME_S)

    async def tell(
        self, kube: BoundClient, call: Call, kind: ResourceType, namespace: str, name: str
    ) -> None:
        """Warn the caller who set replicas where an autoscaler manages the controller.

        The replicas are set, and a look that fails does not change that.
        """
        if self._closed.get(namespace):
            return
        try:
            async with asyncio.timeout(min(LOOK_S, call.left() / 2)):
                found = await kube.list(
                    AUTOSCALERS.path(namespace), ListOf[HorizontalPodAutoscaler]
                )
        except (MissingRight, NoSuchApi) as fault:
            self._closed.put(namespace, True)
            log.info("autoscalers in %s are not looked for: %s", namespace, fault.message)
        except TimeoutError:
            log.warning("autoscalers in %s: no answer within %s s", namespace, LOOK_S)
        except Fault as fault:
            log.warning("autoscalers in %s: %s", namespace, fault.message)
        else:
            for each in found:
                if manages(each, kind, name):
                    call.warn(_words(each, kind, name))


def manages(autoscaler: HorizontalPodAutoscaler, kind: ResourceType, name: str) -> bool:
    """Whether an autoscaler scales a controller; the version of the API makes no difference."""
    target = autoscaler.spec.scale_target_ref
    group = (target.api_version or kind.api_version).rpartition("/")[0]
    return (target.kind, target.name, group) == (
        kind.name,
        name,
        kind.api_version.rpartition("/")[0],
    )


def _words(autoscaler: HorizontalPodAutoscaler, kind: ResourceType, name: str) -> str:
    owners = autoscaler.metadata.owner_references or ()
    owner = next((f' of the {each.kind} "{each.name}"' for each in owners if each.controller), "")
    bounds = f"{autoscaler.spec.min_replicas} to {autoscaler.spec.max_replicas}"
    return (
        f'the replicas of the {kind.name} "{name}" are managed by the HorizontalPodAutoscaler '
        f'"{autoscaler.metadata.name}"{owner} ({bounds} replicas), which may change them again at '
        "any time"
    )
