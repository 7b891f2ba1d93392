"""`machinist-worker`, or `python -m worker`: one worker, configured by `PLT_*` variables."""

import os
import sys
from collections.abc import Sequence

import uvloop

from contracts.observation.logs import configure
from contracts.observation.traces import exporting
from contracts.printable import BREAKS, printable
from contracts.process import command_line
from contracts.process.environment import ConfigurationError, load
from worker.app import serve
from worker.settings import Settings

PURPOSE = (
    "Run one worker: AMQP in, calls to the platform out. It also reads PLT_K8S_* or PLT_ECS_*."
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a worker; exit with status 2 after printing a configuration error."""
    command_line.parse("machinist-worker", PURPOSE, Settings, arguments)
    try:
        settings = load(Settings, os.environ)
        configure(settings.logger_level, settings.log_format)
        with exporting("machinist-worker", os.environ):
            uvloop.run(serve(settings, os.environ))
    except ConfigurationError as error:
        sys.stderr.write(f"worker: {printable(str(error), keep=BREAKS)}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
