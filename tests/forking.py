"""A fork server that has imported the modules of gateways and workers.

A gateway or worker then starts with 0.1 s of CPU; imports alone would take 0.5 to 1 s.
"""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent

forking = multiprocessing.get_context("forkserver")
# Litestar imports its plugin for Pydantic when an application is made, if Pydantic is installed.
forking.set_forkserver_preload(
    ["gateway.app", "litestar.plugins.pydantic", "worker.app", "worker.providers.ecs", __name__]
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
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _of_python(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}
