"""The failure of a command on the broker, on a platform or on the disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Failure(Exception):
    """The command failed; the message has the reason and the remedy."""


@contextmanager
def file_errors(path: Path | None) -> Iterator[None]:
    """Turn an error of the operating system into a Failure, but not that of a closed pipe.

    `path` is named if the error does not name a file.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failure(f"{error.filename or path}: {error.strerror}") from error
