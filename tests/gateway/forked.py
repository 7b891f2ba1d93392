"""Runs a process in one fork per environment, so that its modules are imported only once.

python -m tests.gateway.forked gateway <environments.json >exits.json
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


class Exit(msgspec.Struct):
    """The exit code of a process, negative for a signal, and its stderr."""

    code: int
    stderr: str


def main() -> None:
    """Read environments from stdin; write exits to stdout."""
    process = importlib.import_module(f"{sys.argv[1]}.__main__")
    environments = msgspec.json.decode(sys.stdin.buffer.read(), type=Environments)
    exits = [_exit(process.main, environment) for environment in environments]
    sys.stdout.buffer.write(msgspec.json.encode(exits))


def _exit(run: Callable[[Sequence[str]], None], environment: dict[str, str]) -> Exit:
    with tempfile.TemporaryFile() as stderr:
        child = os.fork()
        if not child:
            os.dup2(stderr.fileno(), sys.stderr.fileno())
            os.environ.update(environment)
            signal.alarm(LIMIT_S)
            run([])
            sys.exit("the process accepted the environment, and then ended")
        _, status = os.waitpid(child, 0)
        stderr.seek(0)
        return Exit(os.waitstatus_to_exitcode(status), stderr.read().decode())


if __name__ == "__main__":
    main()
