"""A watch whose connection is frozen, in real time and through a real connection."""

import asyncio
import time

import pytest

from contracts import api
from contracts.freshness import Freshness
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.calls import ample
from tests.kubernetes.transports import until
from tests.proxy import relay
from worker.providers import k8s
from worker.providers.k8s.informers.informer import SILENCE_S
from worker.providers.k8s.provider import KubernetesProvider


async def ask(provider: KubernetesProvider) -> tuple[set[str], float | None]:
    """Return the names of the machines, and the age of the answer."""
    call = ample()
    call.freshness = Freshness({})
    found = await provider.get_machines(api.GetMachines("default"), call)
    return {each.id for each in found}, call.age_s


@pytest.mark.full
async def test_a_frozen_watch_hides_a_change_only_as_long_as_the_age_says(
    cluster: KubernetesSandbox,
) -> None:
    cluster.add_pod("early")
    _, _, port = cluster.url.rpartition(":")
    with relay(int(port)) as passing:
        url = {"PLT_K8S_REST_API_URL": f"https://127.0.0.1:{passing.port}"}
        async with k8s.open_provider(cluster.environment | url) as provider:
            await ask(provider)
            await ask(provider)
            await until(lambda: all(each.is_trusted for each in provider.informer_states()))
            passing.freeze()
            frozen_at = time.monotonic()
            cluster.add_pod("late")
            ages: list[float] = []
            while True:
                elapsed = time.monotonic() - frozen_at
                names, age = await ask(provider)
                if "late" in names:
                    break
                assert age is not None
                # Both bounds hold on a machine of any load: `elapsed` was read before the answer,
                # and the provider checks the age that it states.
                assert elapsed <= age <= SILENCE_S
                ages.append(age)
                await asyncio.sleep(0.5)

    assert max(ages) > 1
