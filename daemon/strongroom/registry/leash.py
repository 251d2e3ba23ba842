"""Run as a program: start another program that dies with the host. ``python -I -S leash.py PARENT_PID FILE PROGRAM …``.

``FILE`` is what is started, ``PROGRAM`` what it is told that its name is: of a pinned program the file is a descriptor.

The order to die survives ``exec``, so this works for programs that know nothing of it. Plugins of ours give the order
themselves and need no leash.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Give the order, check that the host is still there, become the program."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
    os.execv(sys.argv[2], sys.argv[3:])  # noqa: S606 - the host built this argument list


if __name__ == "__main__":
    main()
