"""Becomes another program, which Linux kills when the process that started it dies.

Runs as a file of its own, before anything can be imported: `python leash.py PARENT PROGRAM …`.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Ask Linux for SIGKILL at the parent's death; elsewhere there is nothing like it."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # A parent that died before the call above will not die again.
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone")


def main() -> None:
    parent, *command = sys.argv[1:]
    die_with(int(parent))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
