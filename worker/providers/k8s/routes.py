"""Gateways and HTTPRoutes, on clusters that have the Gateway API and on those that lack it."""

from collections.abc import Iterator
from contextlib import contextmanager

from contracts.faults import Code, Fault
from contracts.resources import Object
from worker.providers.k8s.client import Conversation
from worker.providers.k8s.errors import NoSuchApi
from worker.providers.k8s.kinds import GATEWAYS
from worker.providers.k8s.objects import ListOf


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
