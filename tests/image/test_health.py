"""The health check of the images, against a small HTTP server."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deploy.image import health
from deploy.ports import Port


class Handler(BaseHTTPRequestHandler):
    """Answers 200 on /live and /status, else 503."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path in ("/live", "/status") else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def check(**environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", health.__file__],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_process_that_answers_is_healthy(port: int) -> None:
    live = check(PLT_METRICS_PORT=str(port), PLT_METRICS_HOST="0.0.0.0")
    status = check(PLT_METRICS_PORT="off", PLT_PORT=str(port))

    assert (live.returncode, live.stderr) == (status.returncode, status.stderr) == (0, "")


def test_a_process_that_does_not_answer_is_not_healthy_and_the_url_is_named() -> None:
    free = Port.any_free()
    done = check(PLT_METRICS_PORT=str(free.number))
    free.release()

    assert done.returncode == 1
    assert f"http://127.0.0.1:{free.number}/live: [Errno 111]" in done.stderr


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ("http", "127.0.0.1", 9090, "/live")),
        ({"PLT_METRICS_HOST": "::", "PLT_METRICS_PORT": "1"}, ("http", "::1", 1, "/live")),
        ({"PLT_METRICS_PORT": "off"}, ("http", "127.0.0.1", 3042, "/status")),
        (
            {
                "PLT_METRICS_PORT": "off",
                "PLT_HOST": "0.0.0.0",
                "PLT_PORT": "2",
                "PLT_TLS_CERT": "x",
            },
            ("https", "127.0.0.1", 2, "/status"),
        ),
    ],
)
def test_the_check_asks_the_metrics_port_or_else_the_gateways(
    environ: dict[str, str], expected: tuple[str, str, int, str]
) -> None:
    assert health.target(environ) == expected
