"""The start, the end and the bounds of informers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from contracts.resources import Object
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.kubernetes.informers.conftest import Clock, lists
from tests.kubernetes.transports import until
from worker.providers.k8s.api.client import Client
from worker.providers.k8s.informers.in_use import Informers, Limits, informers
from worker.providers.k8s.informers.informer import Informer
from worker.providers.k8s.informers.watching import Source
from worker.providers.k8s.kinds import PODS, SERVICES
from worker.providers.k8s.objects import ListOf, Pod, Service


def pods(namespace: str = "default") -> Source[Pod]:
    return Source(PODS, namespace, Pod, ListOf[Pod])


def services(namespace: str = "default") -> Source[Service]:
    return Source(SERVICES, namespace, Service, ListOf[Service])


@asynccontextmanager
async def opened(
    client: Client, clock: Clock | None = None, **limits: Any
) -> AsyncIterator[Informers]:
    made = Informers(client, Limits(**limits), clock or Clock())
    sweeper = asyncio.create_task(made.sweep())
    try:
        yield made
    finally:
        sweeper.cancel()
        await made.aclose()


async def started(informers: Informers, source: Source[Any]) -> Informer[Any]:
    """Read a collection until its informer runs."""
    for _ in range(3):
        if (informer := informers.used(source)) is not None:
            return informer
    raise AssertionError(f"no informer of {source.path}")


async def test_the_second_read_within_a_minute_starts_an_informer(client: Client) -> None:
    clock = Clock()
    async with opened(client, clock) as made:
        made.used(pods())
        clock.now += 61
        made.used(pods())
        once_a_minute = made.states()
        clock.now += 59
        made.used(pods())
        twice = made.states()
        informer = made.used(pods())

    assert once_a_minute == []
    assert [each.resource for each in twice] == ["pods"]
    assert informer is not None


async def test_an_unused_informer_is_stopped(client: Client, cluster: KubernetesSandbox) -> None:
    clock = Clock()
    async with opened(client, clock, unused_s=0.01) as made:
        informer = await started(made, pods())
        await until(lambda: informer.is_trusted)
        clock.now += 1
        await until(lambda: made.states() == [])
        made.used(pods())
        after_one_read = made.states()

    assert after_one_read == []
    assert lists(cluster) == 1


async def test_the_namespace_that_was_unused_for_longest_makes_room(client: Client) -> None:
    clock = Clock()
    async with opened(client, clock, namespaces=2) as made:
        await started(made, pods("a"))
        await started(made, services("a"))
        clock.now += 1
        await started(made, pods("b"))
        clock.now += 61
        made.used(pods("b"))
        await started(made, pods("c"))
        kept = {path: made.used(pods(path)) is not None for path in ("a", "b", "c")}

    assert kept == {"a": False, "b": True, "c": True}


async def test_no_informer_of_a_further_namespace_starts_while_all_are_read(
    client: Client,
) -> None:
    async with opened(client, namespaces=2) as made:
        await started(made, pods("a"))
        await started(made, pods("b"))
        with pytest.raises(AssertionError, match="no informer"):
            await started(made, pods("c"))
        running = len(made.states())

    assert running == 2


async def test_the_stores_of_all_informers_share_a_limit_of_bytes(
    client: Client, cluster: KubernetesSandbox
) -> None:
    for number in range(10):
        cluster.add_pod(f"p-{number}")
        cluster.add_pod(f"p-{number}", namespace="other")
    async with opened(client, bytes=60_000) as made:
        first = await started(made, pods())
        await until(lambda: first.is_trusted)
        second = await started(made, pods("other"))
        await until(lambda: second.problem)
        states = made.states()

    assert 30_000 < states[0].bytes < 60_000
    assert (states[0].objects, states[0].problem) == (10, None)
    assert (states[1].objects, states[1].bytes) == (0, 0)
    assert "too much memory" in str(states[1].problem)


async def test_an_unexpected_error_of_an_informer_makes_reads_live(
    client: Client, cluster: KubernetesSandbox
) -> None:
    cluster.add_pod("p")
    source: Source[Any] = Source(PODS, "default", Pod, ListOf[Object])  # objects have no attributes
    async with opened(client) as made:
        informer = await started(made, source)
        await until(lambda: informer.problem)

    assert not informer.is_trusted
    assert "AttributeError in the informer" in str(informer.problem)


async def test_all_informers_end_with_their_context(
    client: Client, cluster: KubernetesSandbox
) -> None:
    async with informers(client) as made:
        informer = await started(made, pods())
        await until(lambda: informer.is_trusted)

    names = [task.get_name() for task in asyncio.all_tasks()]
    assert not [name for name in names if name.startswith("informer")]
