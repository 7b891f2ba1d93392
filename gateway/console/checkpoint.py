"""A file with the state of a task, replaced atomically, and used by one process at a time."""

import fcntl
import os
from pathlib import Path
from typing import Generic, Self, TypeVar

import msgspec

from gateway.console.failures import Failure

State = TypeVar("State")


class Checkpoint(Generic[State]):
    """The state of a task in a file, from which the next process continues.

    As a context manager it locks the file; raises Failure if another process has the lock.
    """

    def __init__(self, path: Path, kind: type[State]) -> None:
        """`kind` is a type that msgspec encodes as JSON."""
        self._path = path
        self._kind = kind
        self._locked = -1

    def __enter__(self) -> Self:
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            if not _lock(descriptor):
                os.close(descriptor)
                raise Failure(f"{self._path}: another process uses this checkpoint")
            if self._is_current(descriptor):
                self._locked = descriptor
                return self
            os.close(descriptor)  # replaced or removed between the open and the lock

    def __exit__(self, *_: object) -> None:
        """Unlock the file; remove it if no state was saved."""
        if not os.fstat(self._locked).st_size:
            self._path.unlink(missing_ok=True)
        os.close(self._locked)

    def load(self) -> State | None:
        """Return the state, None if there is none yet; raises Failure for another file."""
        text = self._path.read_bytes()
        try:
            return msgspec.json.decode(text, type=self._kind) if text else None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Failure(f"{self._path}: expected a checkpoint of this command: {error}") from None

    def save(self, state: State) -> None:
        """Replace the state; a process that is killed leaves the old state or the new one."""
        new = self._path.with_name(f"{self._path.name}.tmp")
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        _lock(descriptor)
        try:
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(msgspec.json.encode(state) + b"\n")
            os.fsync(descriptor)
            new.replace(self._path)
            descriptor, self._locked = self._locked, descriptor
        finally:
            os.close(descriptor)
        sync_folder(self._path.parent)

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False


def sync_folder(folder: Path) -> None:
    """Make the names of new and replaced files durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock a file for this process; False if another one has the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
