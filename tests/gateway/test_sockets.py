"""Raw requests over a real socket, with the real Kubernetes provider."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import msgspec
import pytest
import pytest_asyncio

from contracts.broker.attendance import Announcement
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.gateway.conftest import over_kubernetes
from tests.gateway.served import exchange, request, served, status_of
from tests.loopback import MAX_BODY_BYTES, gateway_over

pytestmark = pytest.mark.asyncio(loop_scope="module")

Exchange = Callable[..., Awaitable[bytes]]

SCALE = b"POST /k8s/controllers/default/hello HTTP/1.1"
JSON = b"content-type: application/json"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def send(session_sandbox: KubernetesSandbox) -> AsyncIterator[Exchange]:
    """Return a function that exchanges raw bytes with a gateway behind its real HTTP server."""
    async with over_kubernetes(session_sandbox) as loopback, served(gateway_over(loopback)) as port:

        async def send(*parts: bytes) -> bytes:
            # Attendance drops a worker without announcements, and a slow test takes long.
            loopback.attendance.hear(Announcement("w", "k8s", "0", 0.0).message())
            return await exchange(port, *parts)

        yield send


@pytest.fixture
def untouched(sandbox: KubernetesSandbox) -> Iterator[None]:
    """Fail the test if a request reaches the platform."""
    yield
    assert not list(sandbox.calls)


def assert_refused(answer: bytes) -> None:
    """Assert a 4xx with a problem body, also for bytes that are not HTTP."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert 400 <= status_of(answer) < 500, answer
    assert b"content-type: application/problem+json" in head
    problem = msgspec.json.decode(body)
    assert problem["statusCode"] == status_of(answer)
    assert problem["code"]
    assert "expected" in problem["message"]


async def test_a_request_over_a_socket_reaches_the_platform(send, sandbox):
    sandbox.calls.clear()

    answer = await send(request(b"GET /k8s/machines/default HTTP/1.1"))

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
async def test_an_invalid_target_is_refused(send, untouched, target):
    assert_refused(await send(request(b"GET " + target + b" HTTP/1.1")))


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
async def test_an_invalid_request_line_is_refused(send, untouched, line):
    assert_refused(await send(request(line)))


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
async def test_invalid_headers_are_refused(send, untouched, headers):
    assert_refused(await send(request(SCALE, JSON, *headers, body=b'{"replicas":1}')))


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
async def test_an_unused_header_has_no_effect(send, header):
    answer = await send(request(b"GET /status HTTP/1.1", header))

    assert status_of(answer) == 200
    assert answer.endswith(b"}")


async def test_a_too_large_content_length_is_refused_before_the_body(send, untouched):
    length = b"content-length: %d" % (MAX_BODY_BYTES + 1)

    answer = await send(request(SCALE, JSON, length))

    assert status_of(answer) == 413


async def test_a_too_large_chunked_body_is_refused(send, untouched):
    chunk = b"%x\r\n%s\r\n" % (MAX_BODY_BYTES, b" " * MAX_BODY_BYTES)

    answer = await send(request(SCALE, JSON, b"transfer-encoding: chunked"), chunk, chunk)

    assert status_of(answer) == 413


async def test_a_chunked_body_is_accepted(send, sandbox):
    head = request(SCALE, JSON, b"transfer-encoding: chunked")

    answer = await send(head, b'5\r\n{"rep\r\n', b'9\r\nlicas":1}\r\n', b"0\r\n\r\n")

    assert status_of(answer) == 200
    assert sandbox.read("deployments.apps", "hello", "default")["spec"]["replicas"] == 1


async def test_the_response_to_head_has_no_body(send, untouched):
    answer = await send(request(b"HEAD /k8s/machines/default/hello/labels HTTP/1.1"))

    assert status_of(answer) == 405
    assert answer.endswith(b"\r\n\r\n")


async def test_a_connection_can_be_reused_after_a_refused_request(send, untouched):
    bad = b"GET /k8s/machines/default/%2e%2e HTTP/1.1\r\nhost: gateway.test\r\n\r\n"

    answer = await send(bad + request(b"GET /status HTTP/1.1"))

    assert status_of(answer) == 400
    assert b"HTTP/1.1 200 OK" in answer
