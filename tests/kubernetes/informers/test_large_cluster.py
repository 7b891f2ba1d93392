"""Informers of 20,000 pods in 50 namespaces: their memory, and the turns of the event loop."""

import asyncio
import gc
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from contracts import api
from contracts.freshness import Freshness
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from deploy.sandbox.kubernetes.statuses import expired
from tests.calls import ample
from tests.kubernetes.transports import until
from tests.stack import Stack, eventually
from worker.providers import k8s
from worker.providers.k8s.provider import KubernetesProvider

pytestmark = pytest.mark.full

NAMESPACES = [f"space-{number}" for number in range(50)]
PODS = 20_000 // len(NAMESPACES)
WATCH = "watch=true"
MIB = 1024 * 1024


def resident(pid: int) -> int:
    """Return the resident memory of a process in bytes (proc(5))."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def populate(cluster: KubernetesSandbox) -> None:
    """Add a Deployment with its pods to each namespace."""
    for namespace in NAMESPACES:
        cluster.add_deployment("app", namespace=namespace, replicas=PODS)


class Turns:
    """The longest CPU time that the event loop's thread used between two of its turns."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.longest_s = max(self.longest_s, now - before)
            before = now


@contextmanager
def measured_turns() -> Iterator[Turns]:
    """Measure turns, without the garbage collection of the cluster, which is in this process."""
    gc.collect()
    gc.freeze()
    turns = Turns()
    task = asyncio.create_task(turns.run())
    try:
        yield turns
    finally:
        task.cancel()


async def machines(provider: KubernetesProvider, namespace: str) -> tuple[int, float | None]:
    """Return the number of machines, and the age of the answer."""
    call = ample()
    call.freshness = Freshness({})
    found = await provider.get_machines(api.GetMachines(namespace), call)
    return len(found), call.age_s


def trusted(provider: KubernetesProvider) -> int:
    return sum(each.is_trusted for each in provider.informer_states())


async def test_a_resync_of_a_namespace_blocks_the_event_loop_for_less_than_50_ms(
    cluster: KubernetesSandbox, environment: dict[str, str]
) -> None:
    populate(cluster)
    async with k8s.open_provider(environment) as provider:
        for namespace in [*NAMESPACES, *NAMESPACES]:
            await machines(provider, namespace)
        await until(lambda: trusted(provider) == len(provider.informer_states()) >= 50)
        path, body = f"/{NAMESPACES[7]}/pods", expired("too old resource version").status
        fault = cluster.faults.add(path=path, query=WATCH, status=410, body=body, times=1)

        def resyncs() -> int:
            return sum(each.resyncs for each in provider.informer_states())

        before = resyncs()
        with measured_turns() as turns:
            cluster.cut_connections()
            await until(lambda: fault.hits and resyncs() > before)
            await until(lambda: trusted(provider) == len(provider.informer_states()))
        after = resyncs()
        found, age = await machines(provider, NAMESPACES[7])

    assert (after, found, age is not None) == (before + 1, PODS, True)
    assert turns.longest_s < 0.05


@pytest.mark.timeout(1200)
def test_a_worker_takes_less_than_200_mib_for_the_informers_also_after_resyncs(
    stack: Stack,
) -> None:
    cluster = stack.sandbox
    populate(cluster)
    gateway, [worker] = stack.serving()

    def is_aged(namespace: str) -> bool:
        answer = gateway.get(f"/k8s/machines/{namespace}")
        assert len(answer.json()) == PODS
        return "age" in answer.headers

    def read_all() -> None:
        with ThreadPoolExecutor(2) as executor:
            list(executor.map(lambda each: eventually(lambda: is_aged(each)), NAMESPACES))

    gateway.get("/k8s/machines/default")
    idle = resident(worker.pid)
    read_all()
    taken = []
    for _ in range(14):  # free memory between objects grows by a third before it is used again
        cluster.store.compact()
        cluster.cut_connections()
        read_all()
        taken.append((resident(worker.pid) - idle) / MIB)

    assert max(taken) < 200
    assert taken[-1] < 1.05 * taken[9]
