"""A read of ECS through any gateway shows every command that was answered before it began."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from deploy.sandbox.aws.server import AwsSandbox
from tests.stack import Gateway, Stack, eventually

CLIENTS = 4


@pytest.fixture(scope="module")
def account() -> Iterator[AwsSandbox]:
    with AwsSandbox.in_thread(seed=False) as sandbox:
        yield sandbox


@pytest.fixture
def aws(account: AwsSandbox) -> AwsSandbox:
    account.reset()
    for number in range(CLIENTS):
        account.add_service(f"app-{number}")
    return account


class Client:
    """Sends pairs of a command and reads, through random gateways."""

    def __init__(self, number: int, gateways: list[Gateway]) -> None:
        self.name = f"app-{number}"
        self.violations: list[str] = []
        self.seen: Counter[str] = Counter()
        self._source = random.Random(number)
        self._urls = [gateway.url for gateway in gateways]

    def run(self, pairs: int) -> None:
        path = f"/ecs/controllers/default/{self.name}"
        with httpx.Client(timeout=60, trust_env=False) as self._http:
            for pair in range(pairs):
                wanted = pair % 3 + 1
                sent = self._http.post(self._url(path), json={"replicas": wanted})
                self.seen[f"command {sent.status_code}"] += 1
                for _ in range(2):
                    alone = self._read(path, lambda body: body["controller"]["replicas"])
                    listed = self._read("/ecs/controllers/default", self._listed)
                    if sent.status_code == 200:
                        self._compare(wanted, alone, listed)

    def _listed(self, body: dict[str, list[dict[str, object]]]) -> object:
        return next(each["replicas"] for each in body["controllers"] if each["name"] == self.name)

    def _read(self, path: str, value: Callable[..., object]) -> object:
        """Return a value in the answer, None if the query failed, which is no violation."""
        answer = self._http.get(self._url(path))
        if answer.status_code != 200:
            self.seen[f"read {answer.status_code}"] += 1
            return None
        self.seen["shared read" if "age" in answer.headers else "live read"] += 1
        return value(answer.json())

    def _compare(self, wanted: int, *found: object) -> None:
        if not set(found) <= {wanted, None}:
            self.violations.append(f"{self.name}: expected {wanted}, got {found}")

    def _url(self, path: str) -> str:
        return self._source.choice(self._urls) + path


def is_shared(gateway: Gateway) -> bool:
    return "age" in gateway.get("/ecs/controllers/default").headers


def run(stack: Stack, aws: AwsSandbox, pairs: int, kill_every_s: float) -> Counter[str]:
    """Send pairs through two gateways to three workers, and return what happened."""
    workers = [stack.ecs_worker(aws) for _ in range(3)]
    gateways = [stack.gateway(PLT_PROVIDERS="ecs") for _ in range(2)]
    eventually(
        lambda: all(each.attended_by(3, "ecs") for each in gateways), what="three workers attend"
    )
    eventually(lambda: all(map(is_shared, gateways)), what="reads are shared")
    clients = [Client(number, gateways) for number in range(CLIENTS)]
    ended = threading.Event()

    def kill_workers() -> None:
        while not ended.wait(kill_every_s):
            workers.pop(0).kill()
            workers.append(stack.ecs_worker(aws))

    killing = threading.Thread(target=kill_workers)
    killing.start()
    try:
        with ThreadPoolExecutor(CLIENTS) as executor:
            list(executor.map(lambda client: client.run(pairs // CLIENTS), clients))
    finally:
        ended.set()
        killing.join()
    assert [each for client in clients for each in client.violations] == []
    return sum((client.seen for client in clients), Counter())


def test_a_read_of_ecs_through_another_gateway_shows_the_command_before_it(
    stack: Stack, aws: AwsSandbox
) -> None:
    seen = run(stack, aws, pairs=100, kill_every_s=3600)

    assert seen["command 200"] > 75
    assert seen["shared read"] > 20


@pytest.mark.full
def test_no_read_of_ecs_misses_the_command_before_it_in_2_000_pairs(
    stack: Stack, aws: AwsSandbox
) -> None:
    seen = run(stack, aws, pairs=2_000, kill_every_s=15)

    assert seen["command 200"] > 1_500
    assert seen["shared read"] > 400
