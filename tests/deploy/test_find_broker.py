"""The choice of a broker: the one of PLT_AMQP_URL, else Docker's, else a private node."""

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from contracts.process.environment import ConfigurationError
from deploy.failed import Failed
from deploy.rabbitmq import find
from deploy.rabbitmq.broker import Broker
from tests.files import replace

DOCKER = Broker("amqp://docker/", "Docker")
PRIVATE = Broker("amqp://private/", "a private node")


@contextmanager
def docker() -> Iterator[Broker]:
    yield DOCKER


def broken_docker() -> AbstractContextManager[Broker]:
    raise RuntimeError("no such image")


@contextmanager
def private() -> Iterator[Broker]:
    yield PRIVATE


@pytest.fixture
def listening_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_named_broker_is_used_if_one_of_its_nodes_listens(listening_port: int) -> None:
    urls = f"amqp://a:b@127.0.0.1:1/,amqp://a:b@127.0.0.1:{listening_port}/"

    assert find.named({"PLT_AMQP_URL": urls}).amqp_url == urls


def test_a_broker_can_be_named_in_a_file(tmp_path: Path, listening_port: int) -> None:
    url = f"amqp://a:b@127.0.0.1:{listening_port}/"
    file = replace(tmp_path / "url", url + "\n")

    assert find.named({"PLT_AMQP_URL_FILE": str(file)}).amqp_url == url


def test_docker_is_preferred_to_a_private_node() -> None:
    with find.first(docker, private, print) as broker:
        assert broker is DOCKER


def test_without_docker_a_private_node_is_started() -> None:
    with find.first(None, private, print) as broker:
        assert broker is PRIVATE


def test_a_failure_of_docker_is_reported_and_a_private_node_is_started() -> None:
    messages: list[str] = []

    with find.first(broken_docker, private, messages.append) as broker:
        assert broker is PRIVATE

    assert "no such image" in messages[0]


def test_an_error_inside_the_context_does_not_start_a_second_broker() -> None:
    with pytest.raises(RuntimeError, match="ours"), find.first(docker, private, print):
        raise RuntimeError("ours")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("amqp://127.0.0.1:1/", r"no broker .* 127\.0\.0\.1:1 .* unset PLT_AMQP_URL"),
        ("http://127.0.0.1:1x/", r"not shown\): expected .* such as amqp://.* by commas"),
        ("localhost", r"not shown\): expected .* such as amqp://.* by commas"),
        ("amqp://a:b@h:1/ amqp://a:b@h:2/", r"not shown\): expected .* separated by commas"),
    ],
)
def test_a_wrong_url_is_refused_with_the_expectation(url: str, message: str) -> None:
    with pytest.raises((Failed, ConfigurationError), match=message):
        find.named({"PLT_AMQP_URL": url})
