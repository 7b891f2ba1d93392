"""The log goes on without its reader: nothing blocks, and nothing is lost without a word."""

import fcntl
import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from contracts.observation.log_stream import HELD_BYTES, LogStream
from deploy.ports import Port

AGENT = 256
"""The characters of a user agent in the access log; a line has more than twice as many."""


class Pipe:
    """A log stream into a pipe that the test reads."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.stream = LogStream(self.writer)

    def log(self, text: str) -> None:
        self.stream.handle(logging.LogRecord("test", logging.INFO, "", 0, text, None, None))

    def read(self) -> str:
        """Return what the pipe holds now."""
        found = b""
        while True:
            try:
                piece = os.read(self.reader, 65536)
            except BlockingIOError:
                return found.decode()
            if not piece:
                return found.decode()
            found += piece


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.stream.close()
    os.close(pipe.writer)
    os.close(pipe.reader)


def test_a_line_is_written_at_once(pipe: Pipe) -> None:
    pipe.log("a")
    assert pipe.read() == "a\n"


def test_lines_for_a_reader_that_stalls_are_held_and_written_in_order(pipe: Pipe) -> None:
    texts = [f"{number:04} {'x' * 995}" for number in range(200)]
    for text in texts:
        pipe.log(text)

    found = pipe.read()
    assert 0 < len(found) < 200_000, "the pipe took everything, so this test shows nothing"
    while len(found) < 200_000:
        pipe.log("more")
        found += pipe.read()

    assert [line for line in found.splitlines() if line != "more"] == texts


def test_the_number_of_dropped_lines_is_logged_when_the_reader_goes_on(pipe: Pipe) -> None:
    line = "x" * 999
    number = HELD_BYTES // 1000 + 500
    for _ in range(number):
        pipe.log(line)

    found = ""
    while "end" not in found:
        found += pipe.read()
        pipe.log("end")
    lines = found.splitlines()
    written = lines.count(line)
    assert 0 < written < number
    assert f"{number - written} log lines were dropped: the reader of standard error" in found


def test_a_line_of_any_length_is_written_whole(pipe: Pipe) -> None:
    text = "x" * 300_000
    pipe.log(text)
    found = ""
    while "end\n" not in found:
        pipe.log("end")
        found += pipe.read()

    assert found.startswith(f"{text}\nend\n")


def test_a_reader_that_is_gone_stops_nothing() -> None:
    reader, writer = os.pipe()
    stream = LogStream(writer)
    os.close(reader)

    stream.handle(logging.LogRecord("test", logging.INFO, "", 0, "a", None, None))
    stream.close()
    os.close(writer)


def test_the_last_lines_are_written_when_the_process_ends(pipe: Pipe) -> None:
    for number in range(100):
        pipe.log(f"{number:04} {'x' * 995}")
    first = pipe.read()
    assert len(first) < 100_000

    pipe.stream.flush()

    assert len(first + pipe.read()) == 100 * 1001


def test_a_gateway_whose_log_nobody_reads_answers_and_ends() -> None:
    port = Port.any_free()
    variables = {
        "PLT_AMQP_URL": "amqp://127.0.0.1:1/",
        "PLT_PORT": str(port.number),
        "PLT_ACCESS_LOG": "true",
    }
    gateway = subprocess.Popen(
        [sys.executable, "-m", "gateway"], env=os.environ | variables, stderr=subprocess.PIPE
    )
    assert gateway.stderr is not None
    try:
        while b"listening" not in gateway.stderr.readline():
            pass
        capacity = fcntl.fcntl(gateway.stderr, fcntl.F_GETPIPE_SZ)
        with httpx.Client(base_url=f"http://127.0.0.1:{port.number}", trust_env=False) as http:
            for _ in range(capacity // (2 * AGENT) + 50):
                headers = {"user-agent": "x" * AGENT}
                assert http.get("/status", headers=headers).status_code == 200
        gateway.terminate()

        assert gateway.wait(60) == 0
    finally:
        gateway.kill()
        gateway.communicate()
        port.release()
