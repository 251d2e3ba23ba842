"""Opening device files, and what to do where one is missing.

A missing device is never a reason to try another: the operator configured a kind, and gets that kind or this error.
"""

import os
import stat
from pathlib import Path
from typing import Final

from strongroom.plugin import Misconfigured, Unavailable

__all__ = ["broken_answer", "open_device", "unusable"]

WHERE: Final = "evidence.device"


def open_device(path: Path, *, kind: str, fix: str) -> int:
    """A descriptor of the character device at ``path``, for reading and writing.

    Raises ``Misconfigured``, which names the device and says ``fix``, when it is missing, closed to us, or no device.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise unusable(path, kind, error, fix=fix) from error
    if not stat.S_ISCHR(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Misconfigured(
            "SR-EVID-003",
            f"{path} is no device of evidence kind {kind}",
            why="it is another type of file",
            fix=fix,
            where=WHERE,
        )
    os.set_blocking(descriptor, True)
    return descriptor


def unusable(path: Path, kind: str, error: OSError, *, fix: str) -> Misconfigured:
    """The error for a device that cannot be opened."""
    why = error.strerror or type(error).__name__
    if isinstance(error, PermissionError):
        fix = "give the runner's user read and write access to it"
    return Misconfigured("SR-EVID-002", f"evidence kind {kind} needs {path}", why=why, fix=fix, where=WHERE)


def broken_answer(device: str, why: str) -> Unavailable:
    """The error for a device whose answer cannot be used. ``why`` holds sizes and codes only."""
    fix = "see the kernel's log; nothing was attested"
    return Unavailable("SR-EVID-004", f"{device} gave no usable evidence", why=why, fix=fix, device=device)
