"""Entry point of `machinist-gateway`: one gateway, configured by `PLT_*` variables."""

import os
import sys
from collections.abc import Sequence

import uvloop

from contracts.observation.logs import configure
from contracts.observation.traces import exporting
from contracts.printable import BREAKS, printable
from contracts.process import command_line
from contracts.process.environment import ConfigurationError, load
from gateway.app import serve
from gateway.settings import Settings

PURPOSE = "Run one gateway: HTTP in, AMQP out."


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the settings and serve; exit with status 2 if a setting is invalid."""
    command_line.parse("machinist-gateway", PURPOSE, Settings, arguments)
    try:
        settings = load(Settings, os.environ)
        configure(settings.logger_level, settings.log_format)
        with exporting("machinist-gateway", os.environ):
            uvloop.run(serve(settings))
    except ConfigurationError as error:
        sys.stderr.write(f"gateway: {printable(str(error), keep=BREAKS)}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
