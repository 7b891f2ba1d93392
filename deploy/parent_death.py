"""Program that replaces itself with another one, which Linux kills when the parent process dies.

Runs as a script, before any package can be imported: `python parent_death.py PARENT PROGRAM …`.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Request SIGKILL at the death of the parent. Only Linux has such a request."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # A parent that died before the call above sends no signal.
    if os.getppid() != parent:
        sys.exit("the parent process has ended")


def main() -> None:
    parent, *command = sys.argv[1:]
    die_with(int(parent))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
