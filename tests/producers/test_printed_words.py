"""Control characters in a broker's messages do not reach the terminal."""

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from deploy.producers.scale import complain
from deploy.progress import Progress
from tests.producers.page import PAGE, needs

MESSAGE = "no\x1b]0;title\x07\r\nforged: \x9b31m all is well"


class FakeManagement(BaseHTTPRequestHandler):
    """FakeManagement every request with control characters."""

    def do_POST(self) -> None:
        body = MESSAGE.encode()
        self.send_response(500)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def broker() -> Iterator[str]:
    """The URL of a fake management API."""
    with HTTPServer(("127.0.0.1", 0), FakeManagement) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def is_one_line(text: str) -> bool:
    return text.endswith("\n") and text[:-1].isprintable()


def test_scale_py_escapes_control_characters(capsys):
    assert complain(1, MESSAGE) == 1

    assert is_one_line(capsys.readouterr().err)


@needs("curl")
def test_scale_sh_escapes_control_characters(broker):
    done = subprocess.run(
        ["bash", str(PAGE.parent / "scale.sh"), "default", "hello", "3"],
        env={"PATH": "/usr/bin:/bin", "RABBITMQ_URL": broker, "no_proxy": "*"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "HTTP 500" in done.stderr
    assert is_one_line(done.stderr)


def test_deploy_up_escapes_control_characters(capsys):
    Progress().say("cluster", MESSAGE)

    printed = capsys.readouterr().out
    assert "\\x1b]0;title\\x07\\r\n" in printed
    assert all(line.isprintable() for line in printed.splitlines())
