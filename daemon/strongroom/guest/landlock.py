"""A process that can reach no path, no network port and no process outside itself, as far as this kernel offers that.

Memory behind a descriptor can still be opened again through /proc/self/fd: it lies on a mount inside the kernel, which
Landlock does not govern. A file without a name is governed by the directory that it was made in.
Source: landlock(7); each version of the interface added rights to deny.
"""

import ctypes
import os
import struct
from typing import Final

__all__ = ["restrict"]

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_ASK_VERSION: Final = 1

# Version of the interface -> how many file rights it knows. Version 4 added ports, version 6 added scopes.
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_PATH_BENEATH: Final = 1
_READ_FILE: Final = 1 << 2
_REMOVE_DIRECTORY: Final = 1 << 4
_PORTS_SINCE: Final = 4
_SCOPES_SINCE: Final = 6
_BIND_AND_CONNECT: Final = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS: Final = 0b11


def restrict(readable: int | None = None, removes_in: int | None = None) -> int:
    """Deny everything to the calling thread and those it starts; the version in force.

    Files below the directory behind the descriptor ``readable`` can still be read, by whoever can name one; below the
    one behind ``removes_in`` directories can be removed, and nothing else.
    Needs no_new_privs. Raises ``OSError`` when the kernel has no Landlock, or has it switched off.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = _call(libc, _CREATE_RULESET, None, 0, _ASK_VERSION)
    rights = _FILE_RIGHTS.get(version, _FILE_RIGHTS[5])
    attributes = struct.pack(
        "<QQQ",
        (1 << rights) - 1,
        _BIND_AND_CONNECT if version >= _PORTS_SINCE else 0,
        _ABSTRACT_SOCKETS_AND_SIGNALS if version >= _SCOPES_SINCE else 0,
    )
    size = 24 if version >= _SCOPES_SINCE else 16 if version >= _PORTS_SINCE else 8
    ruleset = _call(libc, _CREATE_RULESET, attributes, size, 0)
    try:
        for right, directory in ((_READ_FILE, readable), (_REMOVE_DIRECTORY, removes_in)):
            if directory is not None:
                _call(libc, _ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", right, directory), 0)
        _call(libc, _RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return version


def _call(libc: ctypes.CDLL, number: int, *arguments: bytes | int | None) -> int:
    given = [ctypes.c_long(a) if isinstance(a, int) else ctypes.c_char_p(a) for a in arguments]
    outcome: int = libc.syscall(ctypes.c_long(number), *given)
    if outcome < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))
    return outcome
