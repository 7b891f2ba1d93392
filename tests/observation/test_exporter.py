"""The metrics port: formats, probes, and clients that are slow, many or malformed."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    ExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)

import msgspec
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_open_metrics,
)

from contracts.observation.exporter import (
    DEFAULT_LIMITS,
    DEFAULT_PORT,
    Limits,
    exporter,
    metrics_listener,
)
from contracts.observation.registry import Registry
from contracts.process.environment import ConfigurationError

LOOPBACK = "127.0.0.1"
TIMEOUT_S = 60
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;"
    "q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
"""The header `Accept` of Prometheus 2."""


class Port:
    """A served metrics port, with a counter that a test increments."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.registry = Registry("gateway")
        self.counter = self.registry.counter("a_total", "A.")[()]
        self.reason: str | None = None

    async def exchange(self, *parts: bytes) -> bytes:
        """Send bytes, and read until the server closes the connection."""
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(LOOPBACK, self.number)
            for part in parts:
                writer.write(part)
            try:
                return await reader.read()
            except ConnectionResetError:
                return b""
            finally:
                writer.close()

    async def get(self, path: str, accept: str = "", method: str = "GET") -> tuple[int, bytes, str]:
        """Return the status, the body and the content type."""
        head = f"{method} {path} HTTP/1.1\r\nhost: a\r\naccept: {accept}\r\n\r\n"
        head_of, _, body = (await self.exchange(head.encode())).partition(b"\r\n\r\n")
        lines = head_of.decode().lower().split("\r\n")
        types = [line.partition(": ")[2] for line in lines if line.startswith("content-type")]
        return int(lines[0].split()[1]), body, types[0]


@asynccontextmanager
async def served(**limits: float) -> AsyncIterator[Port]:
    """Serve a registry on a free port."""
    listening = metrics_listener(LOOPBACK, 0)
    assert listening is not None
    port = Port(listening.getsockname()[1])
    bounds = msgspec.convert(limits, Limits)
    async with exporter(listening, port.registry, lambda: port.reason, bounds):
        yield port


async def test_metrics_are_text_by_default_and_openmetrics_if_that_is_accepted_first() -> None:
    async with served() as port:
        status, text, plain = await port.get("/metrics")
        _, _, also_plain = await port.get("/metrics", "text/plain, application/openmetrics-text")
        _, open_metrics, opened = await port.get("/metrics", PROMETHEUS)

    assert status == 200
    assert plain == also_plain == "text/plain; version=0.0.4; charset=utf-8"
    assert b"# TYPE a_total counter\na_total 0.0\n" in text
    assert opened.startswith("application/openmetrics-text; version=1.0.0")
    families = list(parse_open_metrics(open_metrics.decode()))  # type: ignore[no-untyped-call]  # untyped
    assert "a" in {each.name for each in families}


async def test_a_version_that_a_client_invents_is_not_repeated() -> None:
    async with served() as port:
        status, _, media_type = await port.get(
            "/metrics", "application/openmetrics-text; version=x; secret=y"
        )

    assert status == 200
    assert media_type.startswith("application/openmetrics-text; version=1.0.0")


async def test_the_process_is_live_and_ready_until_it_has_a_reason() -> None:
    async with served() as port:
        live, body, _ = await port.get("/live")
        ready = await port.get("/ready")
        port.reason = "the worker is starting"
        unready = await port.get("/ready")

    assert (live, body) == (200, b"OK")
    assert ready == (200, b'{"status":"ready"}', "application/json")
    assert unready[0] == 503
    assert unready[1] == b'{"status":"not ready","reason":"the worker is starting"}'


async def test_other_paths_and_methods_are_refused() -> None:
    async with served() as port:
        assert (await port.get("/"))[0] == 404
        assert (await port.get("/live", method="POST"))[0] == 405
        assert (await port.get("/live", method="HEAD"))[:2] == (200, b"")


@pytest.mark.parametrize(("fresh_s", "counted"), [(TIMEOUT_S, b"a_total 0.0"), (0, b"a_total 1.0")])
async def test_scrapes_within_a_time_share_one_text(fresh_s: float, counted: bytes) -> None:
    async with served(fresh_s=fresh_s) as port:
        await port.get("/metrics")
        port.counter.add()
        _, text, _ = await port.get("/metrics")

    assert counted in text


async def test_scrapers_that_send_no_request_do_not_keep_a_probe_waiting() -> None:
    async with served() as port:
        slow = [
            await asyncio.open_connection(LOOPBACK, port.number)
            for _ in range(DEFAULT_LIMITS.connections + 10)
        ]
        slow[-1][1].write(b"GET /metrics HTTP/1.1\r\n")
        live = await port.get("/live")
        async with asyncio.timeout(TIMEOUT_S):
            ended = await asyncio.gather(*(_end(reader) for reader, _ in slow[:10]))
        for _, writer in slow:
            writer.close()

    assert live[:2] == (200, b"OK")
    assert ended == [b""] * 10, "expected the oldest connections to be closed"


async def test_a_scraper_that_reads_nothing_does_not_delay_another_one() -> None:
    async with served() as port:
        large = port.registry.counter("b_total", "B.", "x")
        for number in range(5_000):
            large[f"{number:0>1000}",].add()
        _, idle = await asyncio.open_connection(LOOPBACK, port.number)
        idle.write(b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n")
        answer = await port.get("/metrics")
        idle.close()

    assert len(answer[1]) > 5_000_000


async def test_a_connection_ends_after_its_time_limit() -> None:
    async with served(connection_s=0.05) as port:
        assert await port.exchange(b"GET /live HTTP/1.1\r\n") == b""


async def test_a_connection_with_too_many_bytes_is_closed() -> None:
    async with served() as port:
        head = b"GET /live HTTP/1.1\r\nx: "
        assert await port.exchange(head, b"x" * DEFAULT_LIMITS.request_bytes) == b""


async def test_bytes_that_are_not_http_are_refused_without_a_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served() as port:
        answer = await port.exchange(b"hello\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert [each for each in caplog.records if "HTTP" in each.getMessage()] == []


async def test_a_connection_serves_one_request() -> None:
    async with served() as port:
        answer = await port.exchange(b"GET /live HTTP/1.1\r\nhost: a\r\n\r\n" * 3)

    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"connection: close" in answer


async def _end(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


@contextmanager
def default_port_taken() -> Iterator[None]:
    """Listen on the default port, unless another process of this machine does so already."""
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(socket.create_server((LOOPBACK, DEFAULT_PORT)))
        yield


def test_a_default_port_in_use_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with default_port_taken():
        assert metrics_listener(LOOPBACK, None) is None

    [warning] = [each for each in caplog.records if each.levelname == "WARNING"]
    assert "metrics are not served" in warning.getMessage()
    assert "set PLT_METRICS_PORT" in warning.getMessage()


def test_a_configured_port_in_use_is_an_error() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"PLT_METRICS_PORT={number}: expected"):
            metrics_listener(LOOPBACK, number)


@pytest.mark.parametrize("port", [None, 0])
def test_an_address_of_another_machine_is_an_error(port: int | None) -> None:
    with pytest.raises(ConfigurationError, match=r"PLT_METRICS_HOST='192.0.2.1'"):
        metrics_listener("192.0.2.1", port)


async def test_without_metrics_nothing_listens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    listening = metrics_listener(LOOPBACK, "off")
    async with exporter(listening, Registry("gateway"), lambda: None):
        pass

    assert caplog.records == []
