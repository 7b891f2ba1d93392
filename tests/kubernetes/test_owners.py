"""Chains of owners: as few requests as possible, and no failure of one fails anything."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import msgspec
import pytest

from contracts.faults import Code, Fault
from tests.calls import ample
from tests.kubernetes.objects import Json, metadata, owner, workload
from tests.kubernetes.scripted import Scripted, answer, failure, page
from worker.providers.k8s.objects import Metadata
from worker.providers.k8s.owners import Chain, Owners

APPS = "/apis/apps/v1/namespaces/default"
DEPLOYMENT = owner("Deployment", "web")


class Cluster(Scripted):
    """Answers for the workloads it holds, by name and as a list; `broken` paths fail."""

    def __init__(self, *workloads: Json) -> None:
        super().__init__(self._found)
        self.workloads = list(workloads)
        self.broken: dict[str, httpx.Response] = {}

    def _found(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path in self.broken:
            return self.broken[path]
        plural, _, name = path.removeprefix(f"{APPS}/").partition("/")
        found = [each for each in self.workloads if f"{each['kind'].lower()}s" == plural]
        if not name:
            return page(*found)
        named = [each for each in found if each["metadata"]["name"] == name]
        return answer(named[0]) if named else failure(404, "NotFound", f"{name} not found")


def replica_sets(count: int) -> list[Json]:
    return [workload("ReplicaSet", f"web-{number}", DEPLOYMENT) for number in range(count)]


def pods_of(*names: str) -> list[Metadata]:
    return [
        msgspec.convert(metadata(f"{name}-x", [owner("ReplicaSet", name)]), Metadata)
        for name in names
    ]


@pytest.fixture
def chains(tmp_path: Path) -> Callable[..., Awaitable[list[Chain]]]:
    async def of(cluster: Scripted, owners: Owners, pods: list[Metadata]) -> list[Chain]:
        async with cluster.client(tmp_path) as client:
            return await owners.chains(client.during(ample()), "default", pods)

    return of


def names(chain: Chain) -> list[str]:
    return [each.name for each in chain.owners]


async def test_one_owner_is_read_by_its_name_and_never_again(chains):
    cluster = Cluster(*replica_sets(1), workload("Deployment", "web"))
    owners = Owners()

    for _ in range(3):
        [chain] = await chains(cluster, owners, pods_of("web-0"))
        assert names(chain) == ["web-0", "web"]
        assert chain.complete

    assert cluster.asked == [f"GET {APPS}/replicasets/web-0", f"GET {APPS}/deployments/web"]


async def test_more_owners_are_read_by_one_list_of_their_kind(chains):
    cluster = Cluster(*replica_sets(9), workload("Deployment", "web"))

    found = await chains(cluster, Owners(), pods_of("web-3", "web-4", "web-4", "web-5"))

    assert {chain.top.name for chain in found} == {"web"}
    assert cluster.asked == [f"GET {APPS}/replicasets?limit=500", f"GET {APPS}/deployments/web"]


async def test_only_what_is_not_known_is_read(chains):
    cluster = Cluster(*replica_sets(3), workload("Deployment", "web"))
    owners = Owners()
    await chains(cluster, owners, pods_of("web-0", "web-1"))
    cluster.requests.clear()

    await chains(cluster, owners, pods_of("web-0", "web-1", "web-2"))

    assert cluster.asked == [f"GET {APPS}/replicasets/web-2"]


@pytest.mark.parametrize(
    "reference",
    [
        owner("Job", "import", api_version="batch/v1"),
        owner("DaemonSet", "agent"),
        owner("Node", "node-1", api_version="v1"),
        owner("Rollout", "web", api_version="argoproj.io/v1alpha1"),
    ],
)
async def test_an_owner_of_another_kind_is_the_top_without_a_request(chains, reference):
    cluster = Cluster()
    pod = msgspec.convert(metadata("p", [reference]), Metadata)

    [chain] = await chains(cluster, Owners(), [pod])

    assert chain.top.name == reference["name"]
    assert chain.complete
    assert cluster.asked == []


async def test_a_pod_without_a_controller_has_no_top(chains):
    only_kept = owner("ConfigMap", "c", api_version="v1") | {"controller": False}
    pods = [
        msgspec.convert(metadata("p"), Metadata),
        msgspec.convert(metadata("q", [only_kept]), Metadata),
    ]

    found = await chains(Cluster(), Owners(), pods)

    assert [(chain.top, chain.complete) for chain in found] == [(None, True), (None, True)]


@pytest.mark.parametrize(
    "broken",
    [
        failure(403, "Forbidden", "no"),
        failure(404, "NotFound", "gone"),
        failure(500, "InternalError", "oops"),
        failure(429, "TooManyRequests", "busy", retryAfterSeconds=60),
        answer("nonsense"),
    ],
)
@pytest.mark.parametrize("names_of_owners", [["web-0"], ["web-0", "web-1"]])
async def test_an_unreadable_owner_is_the_top_for_now(chains, broken, names_of_owners):
    cluster = Cluster(*replica_sets(2), workload("Deployment", "web"))
    owners = Owners()
    where = "/replicasets/web-0" if len(names_of_owners) == 1 else "/replicasets"
    cluster.broken[APPS + where] = broken

    found = await chains(cluster, owners, pods_of(*names_of_owners))

    assert [(names(chain), chain.complete) for chain in found] == [
        ([name], False) for name in names_of_owners
    ]
    cluster.broken.clear()
    again = await chains(cluster, owners, pods_of(*names_of_owners))
    assert {chain.top.name for chain in again} == {"web"}


async def test_an_object_that_took_an_owners_name_is_not_that_owner(chains):
    later = workload("ReplicaSet", "web-0", owner("Deployment", "other"))
    later["metadata"]["uid"] = "uid-of-a-later-one"

    [chain] = await chains(Cluster(later), Owners(), pods_of("web-0"))

    assert names(chain) == ["web-0"]
    assert not chain.complete


async def test_owners_in_a_circle_end_somewhere(chains):
    circle = [
        workload("ReplicaSet", "a", owner("Deployment", "b")),
        workload("Deployment", "b", owner("ReplicaSet", "a")),
    ]

    [chain] = await chains(Cluster(*circle), Owners(), pods_of("a"))

    assert names(chain) == ["a", "b"]


async def test_the_deadline_is_the_one_fault_that_passes(chains):
    server = Scripted(httpx.ReadTimeout("too late"))

    with pytest.raises(Fault) as raised:
        await chains(server, Owners(), pods_of("web-0"))

    assert raised.value.code is Code.DEADLINE_EXCEEDED


async def test_more_owners_than_are_remembered_are_still_found(chains):
    cluster = Cluster(*replica_sets(20), workload("Deployment", "web"))
    pods = pods_of(*(f"web-{number}" for number in range(20)))

    found = await chains(cluster, Owners(remembered=3), pods)

    assert {chain.top.name for chain in found} == {"web"}
