"""A fork server that has imported the modules of gateways and workers.

A gateway or worker then starts with 0.1 s of CPU; imports alone would take 0.5 to 1 s.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import warnings
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory

REPOSITORY = Path(__file__).parent.parent

forking = multiprocessing.get_context("forkserver")
# Litestar imports its plugins when an application is made, if their libraries are installed.
forking.set_forkserver_preload(
    [
        "contracts.process.command_line",
        "gateway.app",
        "gateway.console.audit",
        "litestar.plugins.attrs",
        "litestar.plugins.pydantic",
        "uvloop",
        "worker.app",
        "worker.providers.ecs",
        # `multiprocessing` imports the main module of the tests in each child.
        "pytest",
        __name__,
        "tests.frozen",
    ]
)


def run(module: str, environment: dict[str, str], log: Path, tree: Path = REPOSITORY) -> None:
    """Run a module as `python -m` does, with only these variables and all output in the log.

    `tree` is the folder with the source, by default this checkout. Without PLT_METRICS_PORT the
    process serves no metrics: many processes would want one port.
    """
    environment = {"PLT_METRICS_PORT": "off", **environment}
    with log.open("wb") as output:
        os.dup2(output.fileno(), sys.stdout.fileno())
        os.dup2(output.fileno(), sys.stderr.fileno())
    os.chdir(tree)
    if tree != REPOSITORY or _of_python(environment) != _of_python(os.environ):
        # The interpreter reads its variables when it starts; this process has imported the modules
        # of this checkout.
        os.execve(sys.executable, [sys.executable, "-m", module], environment)
    _run(module, (), environment)


def finish(
    program: str | Path,
    *arguments: str,
    environment: Mapping[str, str],
    warnings_are_errors: bool = False,
    seconds: float = 100,
) -> subprocess.CompletedProcess[str]:
    """Run a module or a script to its end with these variables only, and return its output.

    The variables of the interpreter itself (PYTHON*) have no effect.
    """
    with TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in ("stdout", "stderr")]
        process = start(
            program,
            *arguments,
            environment=environment,
            streams=streams,
            warnings_are_errors=warnings_are_errors,
        )
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired([str(program), *arguments], seconds)
        output = [stream.read_text() for stream in streams]
    return subprocess.CompletedProcess([str(program), *arguments], process.exitcode, *output)


def start(
    program: str | Path,
    *arguments: str,
    environment: Mapping[str, str],
    streams: list[Path],
    warnings_are_errors: bool = False,
) -> ForkServerProcess:
    """Start a module or a script; `streams` are the files of its output and of its errors."""
    process = forking.Process(
        target=_run_to_the_end,
        args=(program, arguments, dict(environment), streams, warnings_are_errors),
    )
    process.start()
    return process


def start_in_terminal(
    module: str, *arguments: str, environment: Mapping[str, str], terminal: str, folder: Path
) -> ForkServerProcess:
    """Start a module in a folder, with the terminal device of this name as its only stream."""
    process = forking.Process(
        target=_run_in_terminal, args=(module, arguments, dict(environment), terminal, folder)
    )
    process.start()
    return process


def _run_in_terminal(
    module: str,
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    terminal: str,
    folder: Path,
) -> None:
    os.setsid()
    opened = os.open(terminal, os.O_RDWR)  # the first terminal of a session controls it
    for number in range(3):
        os.dup2(opened, number)
    os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    # A background job of a shell ignores the signal, and its processes inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    _run(module, arguments, environment)


def _run_to_the_end(
    program: str | Path,
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    streams: list[Path],
    warnings_are_errors: bool,
) -> None:
    for path, stream in zip(streams, (sys.stdout, sys.stderr), strict=True):
        with path.open("wb") as output:
            os.dup2(output.fileno(), stream.fileno())
    os.chdir(REPOSITORY)
    if warnings_are_errors:
        warnings.simplefilter("error")
    _run(program, arguments, environment)


def _run(program: str | Path, arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [str(program), *arguments]
    if isinstance(program, Path):
        runpy.run_path(str(program), run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)


def _of_python(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}
