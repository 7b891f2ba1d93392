"""Enables every logger of a process at every level, which no setting of machinist can do.

Python imports this module at start if its folder is on PYTHONPATH. The debug mode of asyncio then
logs every step, however short.
"""

import functools
import logging

import uvloop

EVERYTHING = 1


class VerboseLogger(logging.Logger):
    """A logger that ignores its level and logs everything."""

    def setLevel(self, level: int | str) -> None:
        """Keep the lowest level."""
        super().setLevel(EVERYTHING)


def logging_loop() -> uvloop.Loop:
    """Create a loop that logs every step; needs PYTHONASYNCIODEBUG."""
    loop = uvloop.new_event_loop()
    loop.slow_callback_duration = 0
    return loop


logging.setLoggerClass(VerboseLogger)
for logger in logging.root.manager.loggerDict.values():
    if isinstance(logger, logging.Logger):
        # Created before this module by the import of asyncio: existing loggers keep their class.
        logger.__class__ = VerboseLogger
        logger.setLevel(EVERYTHING)
uvloop.run = functools.partial(uvloop.run, loop_factory=logging_loop)
