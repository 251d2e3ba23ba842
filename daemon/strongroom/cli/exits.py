"""Exit codes, and which error gives which. They are public: scripts branch on them.

The numbers from 65 on are those of `sysexits.h`, so that other tools understand them too.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from strongroom import errors

__all__ = ["MEANINGS", "Exit", "exit_for", "exit_for_status"]


class Exit(IntEnum):
    """What the program ends with."""

    OK = 0
    RUN_FAILED = 1
    USAGE = 2
    DATA = 65
    UNAVAILABLE = 69
    BUG = 70
    CANNOT_CREATE = 73
    IO = 74
    TEMPORARY = 75
    PERMISSION = 77
    CONFIGURATION = 78
    INTERRUPTED = 130


MEANINGS: Final[Mapping[Exit, str]] = {
    Exit.OK: "done",
    Exit.RUN_FAILED: "the run or the capability call failed, or a check found something missing or refused",
    Exit.USAGE: "the command was not written correctly",
    Exit.DATA: "something in the request is wrong: a field, a file, a name that is not there, a size over its limit",
    Exit.UNAVAILABLE: "no host answers, it is starting or stopping, or a plugin is not there",
    Exit.BUG: "a fault of strongroom itself",
    Exit.CANNOT_CREATE: "a file or directory cannot be created",
    Exit.IO: "reading or writing failed, or stored data failed authentication",
    Exit.TEMPORARY: "not now: time ran out or the host is full; the same command may succeed later",
    Exit.PERMISSION: "policy, or the file system, does not allow it",
    Exit.CONFIGURATION: "the configuration or the keys of the host are wrong",
    Exit.INTERRUPTED: "interrupted from the keyboard",
}

# The first class that fits decides, so special ones stand before general ones.
_BY_CLASS: Final[tuple[tuple[type[errors.StrongroomError], Exit], ...]] = (
    (errors.Forbidden, Exit.PERMISSION),
    (errors.Refused, Exit.DATA),
    (errors.Tampered, Exit.IO),
    (errors.Truncated, Exit.IO),
    (errors.RuntimeDecryptionError, Exit.IO),
    (errors.StorageFault, Exit.IO),
    (errors.KeyMissing, Exit.CONFIGURATION),
    (errors.Misconfigured, Exit.CONFIGURATION),
    (errors.Exhausted, Exit.TEMPORARY),
    (errors.Unavailable, Exit.UNAVAILABLE),
    (errors.PluginFault, Exit.UNAVAILABLE),
    (errors.TimedOut, Exit.TEMPORARY),
    (errors.PluginAway, Exit.UNAVAILABLE),
    (errors.CapabilityError, Exit.RUN_FAILED),
    (errors.GuestFault, Exit.RUN_FAILED),
    (errors.Cancelled, Exit.RUN_FAILED),
    (errors.SealBudgetExceeded, Exit.DATA),
)

_BY_STATUS: Final[Mapping[str, Exit]] = {
    "CANCELLED": Exit.TEMPORARY,
    "UNKNOWN": Exit.BUG,
    "INVALID_ARGUMENT": Exit.DATA,
    "DEADLINE_EXCEEDED": Exit.TEMPORARY,
    "NOT_FOUND": Exit.DATA,
    "ALREADY_EXISTS": Exit.DATA,
    "PERMISSION_DENIED": Exit.PERMISSION,
    "UNAUTHENTICATED": Exit.PERMISSION,
    "RESOURCE_EXHAUSTED": Exit.TEMPORARY,
    "FAILED_PRECONDITION": Exit.DATA,
    "ABORTED": Exit.TEMPORARY,
    "OUT_OF_RANGE": Exit.DATA,
    "UNIMPLEMENTED": Exit.UNAVAILABLE,
    "INTERNAL": Exit.BUG,
    "UNAVAILABLE": Exit.UNAVAILABLE,
    "DATA_LOSS": Exit.IO,
}


def exit_for(error: errors.StrongroomError) -> Exit:
    """The exit code of an error that was raised in this process."""
    return next((code for kind, code in _BY_CLASS if isinstance(error, kind)), Exit.BUG)


def exit_for_status(status: str, reason: str, details: Mapping[str, str]) -> Exit:
    """The exit code of an answer of the host: gRPC status name, stable error code and its details."""
    if status == "FAILED_PRECONDITION" and reason.startswith(("SR-CONF", "SR-KEY")):
        return Exit.CONFIGURATION
    if reason == "SR-CAP-001":
        return Exit.RUN_FAILED
    # What is too large will be too large again; what is too fast or too many may fit later.
    if status == "RESOURCE_EXHAUSTED" and "size" in details and "limit" in details:
        return Exit.DATA
    return _BY_STATUS.get(status, Exit.BUG)
