"""Starts a process for one environment after another, each in a fork, so that it is imported once.

python -m tests.gateway.forked gateway <environments.json >endings.json
"""

import importlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence

import msgspec

LIMIT_S = 20

Environments = list[dict[str, str]]


class Ending(msgspec.Struct):
    """How a process ended; what stopped it after its time is the negative of a signal."""

    code: int
    said: str


def main() -> None:
    """Read environments, write endings."""
    process = importlib.import_module(f"{sys.argv[1]}.__main__")
    environments = msgspec.json.decode(sys.stdin.buffer.read(), type=Environments)
    endings = [_ending(process.main, environment) for environment in environments]
    sys.stdout.buffer.write(msgspec.json.encode(endings))


def _ending(run: Callable[[Sequence[str]], None], environment: dict[str, str]) -> Ending:
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if not child:
            os.dup2(said.fileno(), sys.stderr.fileno())
            os.environ.update(environment)
            signal.alarm(LIMIT_S)
            run([])
            sys.exit("it went on, and then ended by itself")
        _, ended = os.waitpid(child, 0)
        said.seek(0)
        return Ending(os.waitstatus_to_exitcode(ended), said.read().decode())


if __name__ == "__main__":
    main()
