"""One informer against the stand-in: what it sees, and when it is not trusted."""

import asyncio
from pathlib import Path

import pytest

from contracts.freshness import UNKNOWN
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.kubernetes.informers.conftest import Clock, Running, connected, lists, watches, watching
from tests.kubernetes.transports import until
from worker.providers.k8s.informers.backoff import LONGEST_S, Backoff
from worker.providers.k8s.informers.informer import SILENCE_S

WATCH = "watch=true"


async def test_objects_and_their_changes_are_seen(
    cluster: KubernetesSandbox, running: Running
) -> None:
    cluster.add_pod("first", labels={"app": "web"})
    async with running() as informer:
        await until(lambda: informer.is_trusted)
        listed = [each.metadata.name for each in informer.store.select(None)]
        cluster.add_pod("second")
        await until(lambda: informer.store.get("second"))
        before = informer.version
        cluster.touch("pods", "first")
        await until(lambda: informer.version > before)
        cluster.remove("pods", "first")
        await until(lambda: informer.store.get("first") is None)

    assert listed == ["first"]
    assert lists(cluster) == 1


async def test_the_pages_of_a_long_list_are_one_list(
    cluster: KubernetesSandbox, running: Running
) -> None:
    for number in range(450):
        cluster.add_pod(f"p-{number}")
    async with running() as informer:
        await until(lambda: informer.is_trusted)
        found = len(informer.store)

    assert (found, lists(cluster)) == (450, 5)


async def test_a_lost_connection_resumes_at_the_last_version_without_a_list(
    cluster: KubernetesSandbox, running: Running
) -> None:
    async with running() as informer:
        await watching(cluster, informer)
        fault = cluster.faults.add(query=WATCH, disconnect="before", times=None)
        cluster.cut_connections()
        cluster.add_pod("meanwhile")
        await until(lambda: fault.hits)
        cluster.faults.clear()
        await until(lambda: informer.store.get("meanwhile"))

    assert lists(cluster) == 1
    assert informer.resyncs == 0


async def test_an_expired_version_leads_to_a_resync(
    cluster: KubernetesSandbox, running: Running
) -> None:
    cluster.add_pod("removed")
    async with running() as informer:
        await watching(cluster, informer)
        fault = cluster.faults.add(query=WATCH, disconnect="before", times=None)
        cluster.cut_connections()
        cluster.add_pod("meanwhile")
        cluster.remove("pods", "removed")
        cluster.store.compact()
        await until(lambda: fault.hits)
        cluster.faults.clear()
        await until(lambda: informer.store.get("meanwhile") and informer.is_trusted)

    assert informer.store.get("removed") is None
    assert (informer.resyncs, lists(cluster)) == (1, 2)


async def test_versions_that_go_back_lead_to_a_resync(
    cluster: KubernetesSandbox, running: Running
) -> None:
    """The restore of an older etcd backup has this effect."""
    cluster.add_pod("lost")
    async with running() as informer:
        await watching(cluster, informer)
        with cluster.store.lock:
            cluster.remove("pods", "lost")
            cluster.store.compact()
            cluster.store.version = cluster.store.oldest = 3
        cluster.cut_connections()
        await until(lambda: informer.resyncs and informer.is_trusted)
        lost = informer.store.get("lost")
        cluster.add_pod("new")
        await until(lambda: informer.store.get("new"))

    assert lost is None
    assert informer.resyncs == 1


async def test_a_silent_informer_is_not_trusted(
    cluster: KubernetesSandbox, running: Running
) -> None:
    clock = Clock()
    async with running(clock=clock) as informer:
        await watching(cluster, informer)
        clock.now += SILENCE_S - 1
        just = (informer.is_trusted, informer.age)
        clock.now += 2
        silent = (informer.is_trusted, informer.age)

    assert just == (True, SILENCE_S - 1)
    assert silent == (False, SILENCE_S + 1)


async def test_events_that_waited_in_a_frozen_process_do_not_make_an_informer_trusted(
    cluster: KubernetesSandbox, running: Running
) -> None:
    clock = Clock()
    async with running(clock=clock, watch_s=3) as informer:
        await watching(cluster, informer)
        cluster.add_pod("prompt")
        await until(lambda: informer.store.get("prompt"))
        clock.now += SILENCE_S + 1
        cluster.add_pod("late")
        await until(lambda: informer.store.get("late"))
        is_trusted = informer.is_trusted
        await until(lambda: informer.is_trusted)

    assert not is_trusted
    assert informer.resyncs == 0
    assert any("limit=1&" in f"{call.query}&" for call in cluster.calls)


async def test_a_regular_end_of_a_watch_proves_that_the_connection_works(
    cluster: KubernetesSandbox, running: Running
) -> None:
    clock = Clock()
    async with running(clock=clock, watch_s=1) as informer:
        await watching(cluster, informer)
        clock.now += 20
        aged = informer.age
        await until(lambda: informer.age < aged)
        fresh = informer.age

    assert (aged, fresh) == (20, 0)


async def test_a_bookmark_advances_the_version_without_a_change(
    cluster: KubernetesSandbox, running: Running
) -> None:
    async with running(watch_s=3) as informer:
        await watching(cluster, informer)
        changed = informer.changed
        cluster.add_pod("elsewhere", namespace="other")
        latest = cluster.store.version
        reached = await informer.reach(latest, within_s=60)

    assert reached
    assert informer.changed == changed


async def test_a_missing_right_to_watch_is_named_and_nothing_is_trusted(
    cluster: KubernetesSandbox, running: Running, environment: dict[str, str], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(cluster.restricted_token("reader", ("get list", "pods", "default")))
    async with (
        connected(environment | {"PLT_K8S_TOKEN_PATH": str(token)}) as client,
        running(client) as informer,
    ):
        await until(lambda: informer.problem)
        trusted = informer.is_trusted

    assert not trusted
    assert 'the worker\'s user "reader" lacks the right to watch pods' in str(informer.problem)
    assert watches(cluster) == 1


async def test_a_collection_that_does_not_fit_is_dropped(
    cluster: KubernetesSandbox, running: Running
) -> None:
    cluster.add_pod("p")
    async with running(fits=lambda: False) as informer:
        await until(lambda: informer.problem)

    assert not informer.is_trusted
    assert (len(informer.store), informer.store.bytes) == (0, 0)
    assert "too much memory" in str(informer.problem)


async def test_an_event_that_cannot_be_decoded_is_named_when_the_informer_is_not_trusted(
    cluster: KubernetesSandbox, running: Running
) -> None:
    clock = Clock()
    line = '{"type":"ADDED","object":{"metadata":{"name":"p"}}}' + chr(10)
    cluster.faults.add(query=WATCH, status=200, body=line, times=None)
    async with running(clock=clock) as informer:
        await until(lambda: watches(cluster) >= 2)
        before = informer.problem
        clock.now += SILENCE_S + 1
        await until(lambda: informer.problem)

    assert before is None
    assert "does not match the expected type" in str(informer.problem)


async def test_resource_versions_that_are_no_numbers_are_not_compared(
    cluster: KubernetesSandbox, running: Running
) -> None:
    page = {"metadata": {"resourceVersion": "v7"}, "items": []}
    cluster.faults.add(path="/pods$", status=200, body=page, times=None)
    async with running() as informer:
        await until(lambda: informer.problem)

    assert not informer.is_trusted
    assert "expected a resource version that is a decimal number, got 'v7'" in str(informer.problem)


async def test_a_version_is_reached_when_its_event_arrives(
    cluster: KubernetesSandbox, running: Running
) -> None:
    async with running() as informer:
        await watching(cluster, informer)
        waiting = asyncio.create_task(informer.reach(cluster.store.version + 1, within_s=60))
        cluster.add_pod("p")
        reached = await waiting
        found = informer.store.get("p")

    assert reached
    assert found is not None


async def test_no_read_waits_for_an_unknown_version_or_twice_for_the_same(
    cluster: KubernetesSandbox, running: Running
) -> None:
    async with running() as informer:
        await watching(cluster, informer)
        version = informer.version + 1_000_000
        first = await informer.reach(version, within_s=0.01)
        again = informer.reach(version, within_s=3600)
        unknown = informer.reach(UNKNOWN, within_s=3600)

        async with asyncio.timeout(60):
            assert (first, await again, await unknown) == (False, False, False)


@pytest.mark.parametrize(("lasted", "is_longer"), [(0.0, True), (60.0, False)])
def test_pauses_grow_with_failures_in_a_row(lasted: float, is_longer: bool) -> None:
    backoff = Backoff()
    pauses = [backoff.next(lasted) for _ in range(30)]

    assert 0 < min(pauses) <= max(pauses) <= LONGEST_S
    assert (pauses[-1] > 10 * pauses[0]) is is_longer
