"""The metrics ports of the processes of `deploy/up`."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from contracts.process.environment import ConfigurationError
from deploy.metrics_ports import MetricsPorts
from deploy.ports import LOOPBACK

PROCESSES = ("gateway", "worker-k8s-1", "worker-k8s-2")


@pytest.fixture
def contexts() -> Iterator[ExitStack]:
    with ExitStack() as contexts:
        yield contexts


def ports(contexts: ExitStack, **environ: str) -> tuple[list[str], dict[str, str]]:
    """Return PLT_METRICS_PORT of each process, and the printed URLs."""
    found = MetricsPorts(environ, contexts)
    return [found.variables(name)["PLT_METRICS_PORT"] for name in PROCESSES], found.urls


@pytest.mark.parametrize("environ", [{}, {"PLT_METRICS_PORT": "off"}])
def test_without_a_port_no_process_serves_metrics(
    contexts: ExitStack, environ: dict[str, str]
) -> None:
    assert ports(contexts, **environ) == (["off", "off", "off"], {})


@pytest.mark.parametrize("number", ["0", "first"])
def test_each_process_has_a_free_port_that_is_printed(contexts: ExitStack, number: str) -> None:
    with socket.create_server((LOOPBACK, 0)) as busy:
        first = str(busy.getsockname()[1]) if number == "first" else number
        numbers, urls = ports(contexts, PLT_METRICS_PORT=first)

    assert len({*numbers, first}) == len(PROCESSES) + 1
    assert list(urls) == list(PROCESSES)
    assert list(urls.values()) == [f"http://{LOOPBACK}:{each}/metrics" for each in numbers]


def test_an_invalid_port_is_an_error(contexts: ExitStack) -> None:
    with pytest.raises(ConfigurationError, match="PLT_METRICS_PORT='http': expected a port"):
        MetricsPorts({"PLT_METRICS_PORT": "http"}, contexts)
