"""What the daemon does to itself before it touches a key: no core files, no readers of its memory, no wide files, and
no memory that can be made executable.
"""

import ctypes
import os
import resource
from typing import Final

__all__ = ["INHERITED", "NOT_INHERITED", "Kernel", "harden"]

PR_SET_DUMPABLE: Final = 4
PR_SET_MDWE: Final = 65
PR_GET_MDWE: Final = 66

INHERITED: Final = 1
"""PR_MDWE_REFUSE_EXEC_GAIN: this process, and every one that it starts from now on. Since Linux 6.3."""
NOT_INHERITED: Final = 3
"""The same with PR_MDWE_NO_INHERIT: this process alone. Since Linux 6.6."""


def harden() -> None:
    """Root secrets live in this process: keep them out of core files and away from processes of the same user."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


class Kernel:
    """What the kernel offers a process that wants no memory of its own made executable. Source: prctl(2)."""

    def knows(self) -> str:
        """Nothing when it has the call at all, or why it cannot be used."""
        return self._control(PR_GET_MDWE, 0)

    def refuse(self, how: int) -> str:
        """Refuse executable memory from now on: ``INHERITED`` or ``NOT_INHERITED``. Nothing, or why it does not."""
        return self._control(PR_SET_MDWE, how)

    @staticmethod
    def _control(option: int, value: int) -> str:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0))) >= 0:
            return ""
        return os.strerror(ctypes.get_errno())
