"""`python -m gateway`: one gateway process, configured by `PLT_*` variables alone."""

import os
import sys

import uvloop

from contracts.environment import ConfigurationError, load
from contracts.logs import configure
from contracts.printable import BREAKS, printable
from gateway.app import serve
from gateway.settings import Settings


def main() -> None:
    """Read the settings and serve; a wrong setting is told and exits with 2."""
    try:
        settings = load(Settings, os.environ)
        configure(settings.logger_level)
        uvloop.run(serve(settings))
    except ConfigurationError as error:
        sys.stderr.write(f"gateway: {printable(str(error), keep=BREAKS)}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
