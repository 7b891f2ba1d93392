"""`python -m worker`: one worker process, configured by `PLT_*` variables alone."""

import os
import sys

import uvloop

from contracts.environment import ConfigurationError, load
from contracts.logs import configure
from contracts.printable import BREAKS, printable
from worker.app import serve
from worker.settings import Settings


def main() -> None:
    """Run a worker; print a wrong setting and exit with 2."""
    try:
        settings = load(Settings, os.environ)
        configure(settings.logger_level)
        uvloop.run(serve(settings, os.environ))
    except ConfigurationError as error:
        sys.stderr.write(f"worker: {printable(str(error), keep=BREAKS)}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
