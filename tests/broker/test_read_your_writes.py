"""A read through any gateway shows every command that was answered before it began."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.stack import Gateway, Stack, eventually

CLIENTS = 4
WATCH = "watch=true"


class Client:
    """Sends pairs of a command and a read, through two random gateways."""

    def __init__(self, number: int, gateways: list[Gateway], pod: str) -> None:
        self.name = f"app-{number}"
        self.pod = pod
        self.violations: list[str] = []
        self.seen: Counter[str] = Counter()
        self._source = random.Random(number)
        self._urls = [gateway.url for gateway in gateways]
        self._value = 0

    def run(self, pairs: int) -> None:
        with httpx.Client(timeout=60, trust_env=False) as self._http:
            for _ in range(pairs):
                self._source.choice([self._scale, self._label])()

    def _scale(self) -> None:
        self._value = self._value % 3 + 1
        path = f"/k8s/controllers/default/{self.name}"
        sent = self._http.post(
            self._url(path), params={"kind": "Deployment"}, json={"replicas": self._value}
        )
        if self._succeeded(sent):
            alone = self._read(path, lambda body: body["controller"]["replicas"])
            self._compare("a scaling", self._value, alone)
            listed = self._read("/k8s/controllers/default", self._replicas_in_list)
            self._compare("a scaling, in the list", self._value, listed)

    def _label(self) -> None:
        self._value += 1
        path = f"/k8s/machines/default/{self.pod}"
        label = {"step": str(self._value)}
        if self._succeeded(self._http.patch(self._url(f"{path}/labels"), json={"labels": label})):
            found = self._read(path, lambda body: body["labels"].get("step"))
            self._compare("a label", label["step"], found)

    def _replicas_in_list(self, body: dict[str, list[dict[str, object]]]) -> object:
        return next(each["replicas"] for each in body["controllers"] if each["name"] == self.name)

    def _succeeded(self, sent: httpx.Response) -> bool:
        self.seen["command" if sent.status_code == 200 else f"command {sent.status_code}"] += 1
        return sent.status_code == 200

    def _read(self, path: str, value: Callable[..., object]) -> object:
        """Return a value in the answer, None if the query failed, which is no violation."""
        answer = self._http.get(self._url(path))
        if answer.status_code != 200:
            self.seen[f"read {answer.status_code}"] += 1
            return None
        self.seen["read from an informer" if "age" in answer.headers else "live read"] += 1
        return value(answer.json())

    def _compare(self, what: str, expected: object, found: object) -> None:
        if found not in (expected, None):
            self.violations.append(f"{self.name}: {what}: expected {expected}, got {found}")

    def _url(self, path: str) -> str:
        return self._source.choice(self._urls) + path


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


def run(stack: Stack, pairs: int) -> Counter[str]:
    """Send pairs through two gateways to three workers, and return what happened."""
    cluster = stack.sandbox
    pods = []
    for number in range(CLIENTS):
        cluster.add_deployment(f"app-{number}", replicas=1)
        pods.append(f"pod-{number}")
        cluster.add_pod(pods[-1])
    gateways = [stack.gateway(), stack.gateway()]
    workers = [stack.worker() for _ in range(3)]
    eventually(lambda: all(each.attended_by(3) for each in gateways), what="three workers attend")
    eventually(lambda: all(map(reads_from_informers, gateways)), what="informers answer")
    clients = [Client(number, gateways, pod) for number, pod in enumerate(pods)]
    ended = threading.Event()

    def kill_a_worker() -> None:
        workers.pop(0).kill()
        workers.append(stack.worker())

    disturbing = threading.Thread(target=disturb, args=(cluster, ended, kill_a_worker))
    disturbing.start()
    try:
        with ThreadPoolExecutor(CLIENTS) as executor:
            list(executor.map(lambda client: client.run(pairs // CLIENTS), clients))
    finally:
        ended.set()
        disturbing.join()
    assert [each for client in clients for each in client.violations] == []
    return sum((client.seen for client in clients), Counter())


def test_a_read_through_another_gateway_shows_the_command_before_it(stack: Stack) -> None:
    seen = run(stack, pairs=200)

    assert seen["command"] > 150
    assert seen["read from an informer"] > 20


@pytest.mark.full
def test_no_read_misses_the_command_before_it_in_20_000_pairs(stack: Stack) -> None:
    seen = run(stack, pairs=20_000)

    assert seen["command"] > 15_000
    assert seen["read from an informer"] > 2_000
