"""With this folder on PYTHONPATH a process opens every logger, which no setting of ours can do.

Whatever a library would say at any level is said, and asyncio in its debug mode tells of every
step, however fast.
"""

import functools
import logging

import uvloop

EVERYTHING = 1


class Loud(logging.Logger):
    """Whatever level it is given, it says everything."""

    def setLevel(self, level: int | str) -> None:
        """Stay as loud as can be."""
        super().setLevel(EVERYTHING)


def steps_told() -> uvloop.Loop:
    """A loop that tells of every step; needs PYTHONASYNCIODEBUG."""
    loop = uvloop.new_event_loop()
    loop.slow_callback_duration = 0
    return loop


logging.setLoggerClass(Loud)
for logger in logging.root.manager.loggerDict.values():
    if isinstance(logger, logging.Logger):
        # Made before this, by asyncio's import: a logger keeps the class that it was made with.
        logger.__class__ = Loud
        logger.setLevel(EVERYTHING)
uvloop.run = functools.partial(uvloop.run, loop_factory=steps_told)
