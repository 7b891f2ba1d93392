"""Where a broker comes from: the one that is named, else Docker's, else a private node."""

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from contracts.environment import ConfigurationError
from deploy.failed import Failed
from deploy.rabbitmq import find
from deploy.rabbitmq.broker import Broker

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


def test_the_named_broker_is_taken_as_it_is(tmp_path: Path, listening_port: int) -> None:
    """One of several nodes that listens is enough, and nothing is started."""
    urls = f"amqp://a:b@127.0.0.1:1/,amqp://a:b@127.0.0.1:{listening_port}/"

    with find.broker(tmp_path, {"PLT_AMQP_URL": urls}, print) as broker:
        assert broker.amqp_url == urls

    assert list(tmp_path.iterdir()) == []


def test_docker_goes_before_a_private_node() -> None:
    with find.first(docker, private, print) as broker:
        assert broker is DOCKER


def test_without_docker_a_private_node_is_started() -> None:
    with find.first(None, private, print) as broker:
        assert broker is PRIVATE


def test_a_docker_that_cannot_is_said_and_passed_over() -> None:
    said: list[str] = []

    with find.first(broken_docker, private, said.append) as broker:
        assert broker is PRIVATE

    assert "no such image" in said[0]


def test_a_failure_of_the_user_of_the_broker_is_not_dockers() -> None:
    """An error inside the context must not start a second broker."""
    with pytest.raises(RuntimeError, match="ours"), find.first(docker, private, print):
        raise RuntimeError("ours")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("amqp://127.0.0.1:1/", r"nothing listens .* 127\.0\.0\.1:1 .* unset PLT_AMQP_URL"),
        ("http://127.0.0.1:1x/", r"not shown\): expected .* such as amqp://.* by commas"),
        ("localhost", r"not shown\): expected .* such as amqp://.* by commas"),
        ("amqp://a:b@h:1/ amqp://a:b@h:2/", r"not shown\): expected .* separated by commas"),
    ],
)
def test_a_wrong_url_is_explained(tmp_path: Path, url: str, message: str) -> None:
    wrong = pytest.raises((Failed, ConfigurationError), match=message)
    with wrong, find.broker(tmp_path, {"PLT_AMQP_URL": url}, print):
        pass
