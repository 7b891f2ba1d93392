"""What a broker says reaches the terminal of a producer without a control character."""

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from deploy.producers.scale import complain
from deploy.progress import Progress
from tests.producers.page import PAGE, needs

SAID = "no\x1b]0;title\x07\r\nforged: \x9b31m all is well"


class Answers(BaseHTTPRequestHandler):
    """Answers whatever is asked with control characters."""

    def do_POST(self) -> None:
        body = SAID.encode()
        self.send_response(500)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


@pytest.fixture
def broker() -> Iterator[str]:
    """The URL of a server that takes itself for RabbitMQ's management."""
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def is_one_line(text: str) -> bool:
    return text.endswith("\n") and text[:-1].isprintable()


def test_scale_py_escapes_what_the_broker_says(capsys):
    assert complain(1, SAID) == 1

    assert is_one_line(capsys.readouterr().err)


@needs("curl")
def test_scale_sh_escapes_what_the_broker_says(broker):
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


def test_deploy_up_escapes_what_platforms_and_brokers_say(capsys):
    Progress().say("cluster", SAID)

    told = capsys.readouterr().out
    assert "\\x1b]0;title\\x07\\r\n" in told
    assert all(line.isprintable() for line in told.splitlines())
