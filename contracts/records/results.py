"""The results that a command can have, from its start to its end."""

from enum import StrEnum


class Result(StrEnum):
    """The result in a command's record; every result but `started` is final."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    DEAD = "dead"


FINAL = tuple(result for result in Result if result is not Result.STARTED)
