"""Whether a file that holds a secret is open to others, as its mode says, or the access list that stands beside it.

A service manager hands credentials over as files of root that one user may read besides: an entry of an access list,
whose reach (the mask) the kernel then shows in the place of the group's bits. Such a file is as private as one of mode
0600. Source: acl(5), systemd.exec(5) under LoadCredential.
"""

import os
import stat
import struct
from typing import Final

__all__ = ["is_open_to_others"]

_ATTRIBUTE: Final = "system.posix_acl_access"
_HEAD: Final = struct.Struct("<I")
_ENTRY: Final = struct.Struct("<HHI")
_VERSION: Final = 2
_OWNER, _USER, _MASK = 0x01, 0x02, 0x10
ENTRIES_MAX: Final = 64
"""A list that is longer says more than that one user may read."""


def is_open_to_others(descriptor: int) -> bool:
    """Whether anybody but root, the owner and the user of this process may use the open file."""
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if not mode & 0o077:
        return False
    if mode & 0o037:
        # Everybody, or more than reading: no credential is handed over so.
        return True
    try:
        listed = os.getxattr(descriptor, _ATTRIBUTE)
    except OSError:
        return True
    return _names_others(listed)


def _names_others(listed: bytes) -> bool:
    """Whether an access list gives anything to a group, to everybody, or to another user."""
    if len(listed) < _HEAD.size or _HEAD.unpack_from(listed)[0] != _VERSION or (len(listed) - _HEAD.size) % _ENTRY.size:
        return True
    entries = list(_ENTRY.iter_unpack(listed[_HEAD.size :]))
    if len(entries) > ENTRIES_MAX:
        return True
    own = os.geteuid()
    return any(
        permission and tag not in (_OWNER, _MASK) and not (tag == _USER and user == own)
        for tag, permission, user in entries
    )
