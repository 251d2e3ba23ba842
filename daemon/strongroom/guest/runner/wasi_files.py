"""The file and socket part of WASI preview1, for a guest that has three descriptors and no files.

Descriptor 0 is empty, 1 and 2 swallow what is written. Everything else does not exist. The error numbers are those of
the reference layer without preopened directories. Source: contracts/cre-guest.md section 10.
"""

import struct
from collections.abc import Callable
from typing import Final

from strongroom.guest.runner.execution import Execution

__all__ = ["FILE_FUNCTIONS"]

SUCCESS: Final = 0
EBADF: Final = 8
EINVAL: Final = 28
ENOTDIR: Final = 54
ENOTSOCK: Final = 57
ESPIPE: Final = 70

_VECTORS_MAX: Final = 1024
"""As many pieces as POSIX promises for one write; more is a guest that wants to keep the host busy."""

_CHARACTER_DEVICE: Final = 2
_RIGHT_READ: Final = 0x02
_RIGHT_WRITE: Final = 0x40
_STAT: Final = struct.Struct("<BxHxxxxQQ")
_VECTOR: Final = struct.Struct("<II")
_U32: Final = struct.Struct("<I")

Function = Callable[..., int]


def _is_open(run: Execution, descriptor: int) -> bool:
    return 0 <= descriptor <= 2 and descriptor not in run.closed_descriptors


def fd_write(run: Execution, descriptor: int, vectors: int, count: int, written: int) -> int:
    """All bytes count as written; nothing leaves the guest."""
    if descriptor not in (1, 2) or not _is_open(run, descriptor):
        return EBADF
    if not 0 <= count <= _VECTORS_MAX:
        return EINVAL
    total = 0
    for pointer, size in _VECTOR.iter_unpack(run.memory.read(vectors, count * _VECTOR.size)):
        run.memory.check(pointer, size)
        total += size
    run.memory.write(_U32.pack(total & 0xFFFF_FFFF), written)
    return SUCCESS


def fd_read(run: Execution, descriptor: int, _vectors: int, _count: int, read: int) -> int:
    """Standard input is empty."""
    if descriptor != 0 or not _is_open(run, descriptor):
        return EBADF
    run.memory.write(bytes(4), read)
    return SUCCESS


def fd_fdstat_get(run: Execution, descriptor: int, out: int) -> int:
    """A character device that can only be read, or only be written."""
    if not _is_open(run, descriptor):
        return EBADF
    rights = _RIGHT_WRITE if descriptor else _RIGHT_READ
    run.memory.write(_STAT.pack(_CHARACTER_DEVICE, 0, rights, 0), out)
    return SUCCESS


def fd_filestat_get(run: Execution, descriptor: int, out: int) -> int:
    """Nothing is known about a descriptor."""
    if not _is_open(run, descriptor):
        return EBADF
    run.memory.write(bytes(64), out)
    return SUCCESS


def fd_close(run: Execution, descriptor: int) -> int:
    """Each descriptor can be closed once."""
    if not _is_open(run, descriptor):
        return EBADF
    run.closed_descriptors.add(descriptor)
    return SUCCESS


def _of_three(errno: int) -> Function:
    def answer(run: Execution, descriptor: int, *_rest: int) -> int:
        return errno if _is_open(run, descriptor) else EBADF

    return answer


def _of_one(only: int, errno: int) -> Function:
    def answer(run: Execution, descriptor: int, *_rest: int) -> int:
        return errno if descriptor == only and _is_open(run, descriptor) else EBADF

    return answer


def _bad_descriptor(_run: Execution, *_rest: int) -> int:
    return EBADF


FILE_FUNCTIONS: Final[dict[str, tuple[str, Function]]] = {
    "fd_write": ("iiii", fd_write),
    "fd_read": ("iiii", fd_read),
    "fd_fdstat_get": ("ii", fd_fdstat_get),
    "fd_filestat_get": ("ii", fd_filestat_get),
    "fd_close": ("i", fd_close),
    "fd_seek": ("iqii", _of_three(ESPIPE)),
    "fd_tell": ("ii", _of_three(ESPIPE)),
    "fd_pread": ("iiiqi", _of_one(0, ESPIPE)),
    "fd_pwrite": ("iiiqi", _of_one(1, ESPIPE)),
    "fd_prestat_get": ("ii", _bad_descriptor),
    "fd_prestat_dir_name": ("iii", _of_three(ENOTDIR)),
    "fd_fdstat_set_flags": ("ii", _bad_descriptor),
    "fd_fdstat_set_rights": ("iqq", _bad_descriptor),
    "fd_readdir": ("iiiqi", _bad_descriptor),
    "fd_allocate": ("iqq", _bad_descriptor),
    "fd_advise": ("iqqi", _bad_descriptor),
    "fd_sync": ("i", _bad_descriptor),
    "fd_datasync": ("i", _bad_descriptor),
    "fd_renumber": ("ii", _bad_descriptor),
    "fd_filestat_set_size": ("iq", _bad_descriptor),
    "fd_filestat_set_times": ("iqqi", _bad_descriptor),
    "path_create_directory": ("iii", _bad_descriptor),
    "path_filestat_get": ("iiiii", _bad_descriptor),
    "path_filestat_set_times": ("iiiiqqi", _bad_descriptor),
    "path_link": ("iiiiiii", _bad_descriptor),
    "path_open": ("iiiiiqqii", _bad_descriptor),
    "path_readlink": ("iiiiii", _bad_descriptor),
    "path_remove_directory": ("iii", _bad_descriptor),
    "path_rename": ("iiiiii", _bad_descriptor),
    "path_symlink": ("iiiii", _bad_descriptor),
    "path_unlink_file": ("iii", _bad_descriptor),
    "sock_accept": ("iii", _of_three(ENOTSOCK)),
    "sock_recv": ("iiiiii", _of_three(ENOTSOCK)),
    "sock_send": ("iiiii", _of_three(ENOTSOCK)),
    "sock_shutdown": ("ii", _of_three(ENOTSOCK)),
}
"""Name -> (parameters: i is i32 and q is i64, function). Every result is an i32 error number."""
