"""`python -m gateway`: one gateway process, configured by `PLT_*` variables alone."""

import logging
import os
import sys

import uvloop

from contracts.environment import ConfigurationError, load
from contracts.logs import configure
from contracts.seal import Seals
from gateway.app import serve
from gateway.settings import Settings


def main() -> None:
    """Read the settings and serve; a wrong setting is told and exits with 2."""
    try:
        settings = load(Settings, os.environ)
        settings.expected_providers()
        Seals.from_text(settings.seal_key)
    except ConfigurationError as error:
        sys.stderr.write(f"gateway: {error}\n")
        sys.exit(2)
    configure(settings.logger_level)
    logging.getLogger(__name__).info("listening on http://%s:%d", settings.host, settings.port)
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
