"""Pairs of a command and reads, which several clients send through random gateways."""

import random
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.stack import Gateway

COMMAND, COPY, LIVE = "command", "read from a copy", "live read"
"""What clients count: commands with the status 200, and answers of both kinds."""


class Client(ABC):
    """A client of several gateways, which keeps each violation and counts what it has seen."""

    def __init__(self, number: int, gateways: list[Gateway]) -> None:
        self.name = f"app-{number}"
        self.violations: list[str] = []
        self.seen: Counter[str] = Counter()
        self.choose = random.Random(number).choice
        self.http = httpx.Client(timeout=60, trust_env=False)
        self._urls = [gateway.url for gateway in gateways]

    @abstractmethod
    def pair(self, number: int) -> None:
        """Send a command, and read what it changed."""

    def url(self, path: str) -> str:
        """Return the URL of a path on one of the gateways."""
        return self.choose(self._urls) + path

    def succeeded(self, sent: httpx.Response) -> bool:
        """Count the response to a command; return whether it succeeded."""
        is_done = sent.status_code == 200
        self.seen[COMMAND if is_done else f"command {sent.status_code}"] += 1
        return is_done

    def read(self, path: str, value: Callable[..., object]) -> object:
        """Return a value in the answer, None if the query failed, which is no violation."""
        answer = self.http.get(self.url(path))
        if answer.status_code != 200:
            self.seen[f"read {answer.status_code}"] += 1
            return None
        self.seen[COPY if "age" in answer.headers else LIVE] += 1
        return value(answer.json())

    def read_replicas(self, provider: str) -> tuple[object, object]:
        """Return the replicas of the controller, read alone and in the list."""

        def in_list(body: dict[str, list[dict[str, object]]]) -> object:
            named = (each for each in body["controllers"] if each["name"] == self.name)
            return next(named)["replicas"]

        path = f"/{provider}/controllers/default"
        alone = self.read(f"{path}/{self.name}", lambda body: body["controller"]["replicas"])
        return alone, self.read(path, in_list)

    def compare(self, what: str, expected: object, *found: object) -> None:
        """Keep a violation unless all values are as expected, or None."""
        for each in found:
            if each not in (expected, None):
                self.violations.append(f"{self.name}: {what}: expected {expected}, got {each}")


def send(
    clients: Sequence[Client], pairs: int, disturb: Callable[[threading.Event], None]
) -> Counter[str]:
    """Send pairs while a thread runs `disturb`, which returns soon after its event is set.

    Returns what all clients have seen; raises AssertionError for any violation.
    """

    def run(client: Client) -> None:
        with client.http:
            for number in range(pairs // len(clients)):
                client.pair(number)

    ended = threading.Event()
    disturbing = threading.Thread(target=disturb, args=[ended])
    disturbing.start()
    try:
        with ThreadPoolExecutor(len(clients)) as executor:
            list(executor.map(run, clients))
    finally:
        ended.set()
        disturbing.join()
    assert [each for client in clients for each in client.violations] == []
    return sum((client.seen for client in clients), Counter())
