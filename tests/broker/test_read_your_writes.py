"""A read through any gateway shows every command that was answered before it began."""

import threading
from collections import Counter
from collections.abc import Callable

import pytest

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.broker import pairs
from tests.broker.pairs import COMMAND, COPY
from tests.stack import Gateway, Stack, eventually

CLIENTS = 4
WATCH = "watch=true"


class Client(pairs.Client):
    """Scales its controller and labels its pod, and reads both."""

    def __init__(self, number: int, gateways: list[Gateway], pod: str) -> None:
        super().__init__(number, gateways)
        self.pod = pod
        self._value = 0

    def pair(self, number: int) -> None:
        self.choose([self._scale, self._label])()

    def _scale(self) -> None:
        self._value = self._value % 3 + 1
        target = self.url(f"/k8s/controllers/default/{self.name}?kind=Deployment")
        if self.succeeded(self.http.post(target, json={"replicas": self._value})):
            self.compare("a scaling", self._value, *self.read_replicas("k8s"))

    def _label(self) -> None:
        self._value += 1
        path = f"/k8s/machines/default/{self.pod}"
        label = {"step": str(self._value)}
        if self.succeeded(self.http.patch(self.url(f"{path}/labels"), json={"labels": label})):
            found = self.read(path, lambda body: body["labels"].get("step"))
            self.compare("a label", label["step"], found)


def disturb(
    cluster: KubernetesSandbox, ended: threading.Event, kill_a_worker: Callable[[], None]
) -> None:
    """Cut the connections of informers, let them lag behind, and expire their versions."""
    number = 0
    while not ended.wait(1.5):
        number += 1
        slow = cluster.faults.add(query=WATCH, delay=0.7, times=None)
        cluster.cut_connections()
        if number % 3 == 0:
            cluster.store.compact()
        if number % 5 == 0:
            with cluster.store.lock:
                cluster.store.version += 1000
        ended.wait(1.5)
        cluster.faults.remove(slow)
        if number % 10 == 0:
            kill_a_worker()


def reads_from_informers(gateway: Gateway) -> bool:
    return "age" in gateway.get("/k8s/controllers/default/app-0").headers


def run(stack: Stack, number: int) -> Counter[str]:
    """Send pairs through two gateways to three workers, and return what happened."""
    cluster = stack.sandbox
    for each in range(CLIENTS):
        cluster.add_deployment(f"app-{each}", replicas=1)
        cluster.add_pod(f"pod-{each}")
    gateways = [stack.gateway(), stack.gateway()]
    workers = [stack.worker() for _ in range(3)]
    eventually(lambda: all(each.attended_by(3) for each in gateways), what="three workers attend")
    eventually(lambda: all(map(reads_from_informers, gateways)), what="informers answer")
    clients = [Client(each, gateways, f"pod-{each}") for each in range(CLIENTS)]

    def kill_a_worker() -> None:
        workers.pop(0).kill()
        workers.append(stack.worker())

    return pairs.send(clients, number, lambda ended: disturb(cluster, ended, kill_a_worker))


def test_a_read_through_another_gateway_shows_the_command_before_it(stack: Stack) -> None:
    seen = run(stack, 200)

    assert seen[COMMAND] > 150
    assert seen[COPY] > 20


@pytest.mark.full
def test_no_read_misses_the_command_before_it_in_20_000_pairs(stack: Stack) -> None:
    seen = run(stack, 20_000)

    assert seen[COMMAND] > 15_000
    assert seen[COPY] > 2_000
