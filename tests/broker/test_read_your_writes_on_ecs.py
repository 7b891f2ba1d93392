"""A read of ECS through any gateway shows every command that was answered before it began."""

import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from deploy.sandbox.aws.server import AwsSandbox
from tests.broker import pairs
from tests.broker.pairs import COMMAND, COPY
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


class Client(pairs.Client):
    """Scales its service and reads it, the second time from what the first read left."""

    def pair(self, number: int) -> None:
        wanted = number % 3 + 1
        target = self.url(f"/ecs/controllers/default/{self.name}")
        is_done = self.succeeded(self.http.post(target, json={"replicas": wanted}))
        for _ in range(2):
            found = self.read_replicas("ecs")
            if is_done:
                self.compare("a scaling", wanted, *found)


def is_shared(gateway: Gateway) -> bool:
    return "age" in gateway.get("/ecs/controllers/default").headers


def run(stack: Stack, aws: AwsSandbox, number: int, kill_every_s: float) -> Counter[str]:
    """Send pairs through two gateways to three workers, and return what happened."""
    workers = [stack.ecs_worker(aws) for _ in range(3)]
    gateways = [stack.gateway(PLT_PROVIDERS="ecs") for _ in range(2)]
    eventually(
        lambda: all(each.attended_by(3, "ecs") for each in gateways), what="three workers attend"
    )
    eventually(lambda: all(map(is_shared, gateways)), what="reads are shared")
    clients = [Client(each, gateways) for each in range(CLIENTS)]

    def kill_workers(ended: threading.Event) -> None:
        while not ended.wait(kill_every_s):
            workers.pop(0).kill()
            workers.append(stack.ecs_worker(aws))

    return pairs.send(clients, number, kill_workers)


def test_a_read_of_ecs_through_another_gateway_shows_the_command_before_it(
    stack: Stack, aws: AwsSandbox
) -> None:
    seen = run(stack, aws, 100, kill_every_s=3600)

    assert seen[COMMAND] > 75
    assert seen[COPY] > 20


@pytest.mark.full
def test_no_read_of_ecs_misses_the_command_before_it_in_2_000_pairs(
    stack: Stack, aws: AwsSandbox
) -> None:
    seen = run(stack, aws, 2_000, kill_every_s=15)

    assert seen[COMMAND] > 1_500
    assert seen[COPY] > 400
