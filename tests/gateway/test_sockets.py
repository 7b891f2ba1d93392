"""Raw request lines over a real socket, in front of the real Kubernetes provider."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import msgspec
import pytest
import pytest_asyncio

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from gateway.routes import Caller
from gateway.server import OnRawPath, http_server, listener
from tests.gateway.conftest import MOST_BODY_BYTES, over_kubernetes

pytestmark = pytest.mark.asyncio(loop_scope="module")

Talk = Callable[..., Awaitable[bytes]]

SCALE = b"POST /k8s/controllers/default/hello HTTP/1.1"
JSON = b"content-type: application/json"


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition, but not for ever."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - uvicorn has an attribute and no event for it
            await asyncio.sleep(0.01)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talk(
    application_of: Callable[[Caller], OnRawPath], sandbox: KubernetesSandbox
) -> AsyncIterator[Talk]:
    """Sends bytes to a gateway behind its real HTTP server and reads until that hangs up."""
    async with over_kubernetes(sandbox) as loopback, asyncio.TaskGroup() as group:
        server = http_server(application_of(loopback))
        listening = listener("127.0.0.1", 0)
        group.create_task(server.serve([listening]))
        await until(lambda: server.started)
        port = listening.getsockname()[1]

        async def exchange(*parts: bytes) -> bytes:
            async with asyncio.timeout(60):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    for part in parts:
                        writer.write(part)
                        await writer.drain()
                    return await reader.read()
                finally:
                    writer.close()

        yield exchange
        server.should_exit = True


@pytest.fixture
def untouched(sandbox: KubernetesSandbox) -> Iterator[None]:
    """Fails the test if a single request reaches the platform."""
    sandbox.reset()
    yield
    assert not list(sandbox.calls)


def request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    """A request after which the server hangs up."""
    head = b"\r\n".join([line, b"host: gateway.test", b"connection: close", *headers])
    return head + b"\r\n\r\n" + body


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def assert_refused(answer: bytes) -> None:
    """4xx: a problem of ours, or the words of uvicorn for what is no HTTP."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert 400 <= status_of(answer) < 500, answer
    if b"text/plain" in head:
        assert body == b"Invalid HTTP request received."
    else:
        problem = msgspec.json.decode(body)
        assert problem["statusCode"] == status_of(answer)
        assert problem["code"]
        assert "expected" in problem["message"]


async def test_a_request_over_a_socket_reaches_the_platform(talk, sandbox):
    sandbox.calls.clear()

    answer = await talk(request(b"GET /k8s/machines/default HTTP/1.1"))

    assert status_of(answer) == 200
    assert len(sandbox.calls) > 0


@pytest.mark.parametrize(
    "target",
    [
        b"/k8s/machines/default/..",
        b"/k8s/machines/default/../../../api",
        b"/k8s/machines/default/%2e%2e",
        b"/k8s/machines/default/.",
        b"/k8s/machines/default/a%2fb",
        b"/k8s/machines/default/hello%3Fx",
        b"/k8s/machines/default/hello%23x",
        b"/k8s/machines/default/hello#x",
        b"/k8s/machines/default#/../x",
        b"/k8s/machines/default?labels=a=b#c",
        b"/k8s/machines/default/hello%00",
        b"/k8s/machines/default/hello%0d%0aX-Evil:%201",
        b"/k8s/machines/default/hello world",
        b"/k8s/machines/default/hello\x00",
        b"/k8s/machines/default/hello\tworld",
        b"/k8s/machines/default/\xc3\xa4",
        b"/k8s/machines/default/%c3%a4",
        b"/k8s/machines/default/%ff",
        b"/k8s/machines/default/%zz",
        b"/k8s/machines/default/a\\b",
        b"/k8s/machines/default/{id}",
        b"/k8s/machines/default/" + b"a" * 300,
        b"/k8s/machines/default/" + b"a" * 100_000,
        b"/k8s/machines//hello",
        b"//k8s/machines/default",
        b"//evil.test/k8s/machines/default",
        b"http://evil.test",
        b"http://evil.test/k8s/machines/../x/y/z",
        b"k8s/machines/default",
        b"*",
        b"",
        b"?labels=a=b",
        b"/k8s/services/default?" + b"x" * 100_000,
        b"/k8s/machines/default?labels=\xff",
    ],
    ids=lambda target: ascii(target[:44]),
)
async def test_a_target_that_cannot_be_is_refused(talk, untouched, target):
    assert_refused(await talk(request(b"GET " + target + b" HTTP/1.1")))


@pytest.mark.parametrize(
    "line",
    [
        b"BREW /k8s/machines/default HTTP/1.1",
        b"get /k8s/machines/default HTTP/1.1",
        b"CONNECT k8s:443 HTTP/1.1",
        b"TRACE /k8s/machines/default HTTP/1.1",
        b"PROPFIND /k8s/machines/default HTTP/1.1",
        b"POST /k8s/machines/default HTTP/1.1",
        b"GET /k8s/machines/default HTTP/9.9",
        b"GET",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_a_request_line_that_cannot_be_is_refused(talk, untouched, line):
    assert_refused(await talk(request(line)))


@pytest.mark.parametrize(
    "headers",
    [
        [b"content-length: 14", b"content-length: 15"],
        [b"content-length: -1"],
        [b"content-length: x"],
        [b"content-length: 99999999999999999999999999"],
        [b"content-length: 14", b"transfer-encoding: chunked"],
        [b"transfer-encoding: chunked, identity"],
        [b"no colon"],
        [b": no name"],
        [b"bad name: x"],
        [b"x: a\x00b"],
    ],
    ids=lambda headers: headers[-1].decode("latin-1"),
)
async def test_headers_that_cannot_be_are_refused(talk, untouched, headers):
    assert_refused(await talk(request(SCALE, JSON, *headers, body=b'{"replicas":1}')))


@pytest.mark.parametrize(
    "header",
    [
        b"traceparent: nonsense\xff",
        b"cookie: \xff=\xfe;;;",
        b"accept: text/html",
        b"accept-encoding: br;q=x",
        b"expect: 100-continue",
        b"authorization: Bearer \xff",
        b"upgrade: websocket",
        b"x-forwarded-for: " + b"1.2.3.4, " * 1000,
        b"x-http-method-override: DELETE",
        b"range: bytes=0-1",
    ],
    ids=lambda header: header[:20].decode("latin-1"),
)
async def test_headers_that_mean_nothing_here_change_nothing(talk, header):
    answer = await talk(request(b"GET /status HTTP/1.1", header))

    assert status_of(answer) == 200
    assert answer.endswith(b"}")


async def test_an_announced_body_that_is_too_large_is_refused_before_it_is_sent(talk, untouched):
    length = b"content-length: %d" % (MOST_BODY_BYTES + 1)

    answer = await talk(request(SCALE, JSON, length))

    assert status_of(answer) == 413


async def test_a_chunked_body_is_refused_as_soon_as_it_is_too_large(talk, untouched):
    chunk = b"%x\r\n%s\r\n" % (MOST_BODY_BYTES, b" " * MOST_BODY_BYTES)

    answer = await talk(request(SCALE, JSON, b"transfer-encoding: chunked"), chunk, chunk)

    assert status_of(answer) == 413


async def test_a_chunked_body_is_read(talk, sandbox):
    head = request(SCALE, JSON, b"transfer-encoding: chunked")

    answer = await talk(head, b'5\r\n{"rep\r\n', b'9\r\nlicas":1}\r\n', b"0\r\n\r\n")

    assert status_of(answer) == 200
    assert sandbox.read("deployments.apps", "hello", "default")["spec"]["replicas"] == 1


async def test_a_head_has_no_body(talk, untouched):
    answer = await talk(request(b"HEAD /k8s/machines/default HTTP/1.1"))

    assert status_of(answer) == 405
    assert answer.endswith(b"\r\n\r\n")


async def test_a_second_request_on_a_connection_is_answered_after_a_bad_one(talk, untouched):
    bad = b"GET /k8s/machines/default/%2e%2e HTTP/1.1\r\nhost: gateway.test\r\n\r\n"

    answer = await talk(bad + request(b"GET /status HTTP/1.1"))

    assert status_of(answer) == 400
    assert b"HTTP/1.1 200 OK" in answer
