"""The data folder: exclusive to one container, with the seal key."""

import base64
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.process.environment import ConfigurationError
from deploy.failed import Failed


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder against another container, whose broker would destroy the same files.

    Raises ConfigurationError if the folder is not writable, and Failed if it is in use. The lock
    ends with this process.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("w")
    except OSError as error:
        raise ConfigurationError(
            f"PLT_DATA_FOLDER={folder}: expected a folder that user {os.getuid()} may write to, "
            "such as a volume (Kubernetes: an emptyDir, or fsGroup 10001 for a persistent volume) "
            f"or a tmpfs: {error.strerror}"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(
                f"{folder} is in use by another container: expected a volume for each; for a "
                "Deployment with a persistent volume set the strategy Recreate"
            ) from None
        yield


def seal_key(folder: Path) -> str:
    """Return the key in the folder, made at the first start.

    It outlives a restart as the queues do, which may contain bodies that it has sealed.
    """
    file = folder / "seal-key"
    if not file.exists():
        fresh = folder / "seal-key.part"
        fresh.touch(mode=0o600)
        fresh.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
        fresh.replace(file)
    return file.read_text()
