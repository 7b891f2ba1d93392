"""Owner chains are read for every response, with few requests, and tolerate failures."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import msgspec
import pytest

from contracts.faults import Code, Fault
from tests.calls import ample
from tests.kubernetes.objects import Json, metadata, owner, workload
from tests.kubernetes.scripted import Scripted, answer, failure, page
from worker.providers.k8s.controllers.owners import MAX_READS_BY_NAME, Chain, chains
from worker.providers.k8s.informers.reads import Reads
from worker.providers.k8s.objects import Metadata

APPS = "/apis/apps/v1/namespaces/default"
DEPLOYMENT = owner("Deployment", "web")


class Cluster(Scripted):
    """Serves its workloads by name and as a list; `broken` paths fail."""

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


Read = Callable[[Scripted, list[Metadata]], Awaitable[list[Chain]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    async def of(cluster: Scripted, pods: list[Metadata]) -> list[Chain]:
        async with cluster.client(tmp_path) as client:
            call = ample()
            reads = Reads(client.for_call(call), None, call)
            return await chains(reads, "default", pods)

    return of


def names(chain: Chain) -> list[str]:
    return [each.name for each in chain.owners]


async def test_a_few_owners_are_read_by_name_for_any_number_of_pods(read):
    cluster = Cluster(*replica_sets(9))
    pods = pods_of("web-3", "web-4", "web-5", "web-4")

    found = await read(cluster, pods)

    assert [names(chain) for chain in found] == [
        [f"web-{number}", "web"] for number in (3, 4, 5, 4)
    ]
    assert all(chain.complete for chain in found)
    assert sorted(cluster.asked) == [f"GET {APPS}/replicasets/web-{each}" for each in (3, 4, 5)]


async def test_more_owners_are_read_by_one_list(read):
    cluster = Cluster(*replica_sets(9))

    found = await read(cluster, pods_of(*(f"web-{each}" for each in range(MAX_READS_BY_NAME + 1))))

    assert {chain.top.name for chain in found} == {"web"}
    assert cluster.asked == [f"GET {APPS}/replicasets?limit=500"]


@pytest.mark.parametrize("adopter", [None, owner("Deployment", "web", "new"), owner("Store", "s")])
async def test_a_changed_owner_is_found_at_once(read, adopter):
    cluster = Cluster(*replica_sets(1))
    assert names((await read(cluster, pods_of("web-0")))[0]) == ["web-0", "web"]

    cluster.workloads = [workload("ReplicaSet", "web-0", *([adopter] if adopter else []))]
    [chain] = await read(cluster, pods_of("web-0"))

    is_deployment = adopter is not None and adopter["kind"] == "Deployment"
    assert chain.top.uid == ("new" if is_deployment else "uid-of-web-0")
    assert chain.complete


@pytest.mark.parametrize(
    "reference",
    [
        owner("Job", "import", api_version="batch/v1"),
        owner("DaemonSet", "agent"),
        owner("Node", "node-1", api_version="v1"),
        owner("Rollout", "web", api_version="argoproj.io/v1alpha1"),
    ],
)
async def test_an_owner_of_another_kind_is_the_top_and_takes_no_request(read, reference):
    cluster = Cluster()
    pod = msgspec.convert(metadata("p", [reference]), Metadata)

    [chain] = await read(cluster, [pod])

    assert chain.top.name == reference["name"]
    assert chain.complete
    assert cluster.asked == []


async def test_a_pod_without_a_controller_has_no_top(read):
    only_kept = owner("ConfigMap", "c", api_version="v1") | {"controller": False}
    pods = [
        msgspec.convert(metadata("p"), Metadata),
        msgspec.convert(metadata("q", [only_kept]), Metadata),
    ]

    found = await read(Cluster(), pods)

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
@pytest.mark.parametrize("count", [1, MAX_READS_BY_NAME + 1])
async def test_an_unreadable_owner_is_the_top_of_an_incomplete_chain(read, broken, count):
    cluster = Cluster(*replica_sets(count))
    names_of_owners = [f"web-{number}" for number in range(count)]
    where = "/replicasets/web-0" if count == 1 else "/replicasets"
    cluster.broken[APPS + where] = broken

    found = await read(cluster, pods_of(*names_of_owners))

    assert [(names(chain), chain.complete) for chain in found] == [
        ([name], False) for name in names_of_owners
    ]
    cluster.broken.clear()
    again = await read(cluster, pods_of(*names_of_owners))
    assert {chain.top.name for chain in again} == {"web"}


async def test_a_later_object_with_an_owners_name_is_not_the_owner(read):
    later = workload("ReplicaSet", "web-0", owner("Deployment", "other"))
    later["metadata"]["uid"] = "uid-of-a-later-one"

    [chain] = await read(Cluster(later), pods_of("web-0"))

    assert names(chain) == ["web-0"]
    assert not chain.complete


async def test_only_a_passed_deadline_fails_the_lookup_of_owners(read):
    server = Scripted(httpx.ReadTimeout("too late"))

    with pytest.raises(Fault) as raised:
        await read(server, pods_of("web-0"))

    assert raised.value.code is Code.DEADLINE_EXCEEDED
