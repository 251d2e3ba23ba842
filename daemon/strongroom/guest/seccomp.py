"""The system calls that a process with guest code may make, as a filter that the kernel runs before each of them.

What is not listed fails with EPERM: no socket, no program, no tracing, no signal to others, no file opened for writing.
The numbers are those of the two processors that the engine supports. Source: seccomp(2), and the kernel's tables.
"""

import ctypes
import os
import platform
import struct
from typing import Final

from strongroom.guest.needs import NOTHING, Needs

__all__ = ["ALLOWED", "install", "program"]

_AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_COLUMN: Final = {"x86_64": 0, "aarch64": 1}
_SECCOMP_CALL: Final = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER: Final = 1
_ALL_THREADS: Final = 1
_X32_BIT: Final = 0x4000_0000

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND: Final = 0x54
_EQUAL: Final = 0x15
_AT_LEAST: Final = 0x35
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF_0000
_KILL: Final = 0x8000_0000
_ERRNO: Final = 0x0005_0000
_DENY: Final = _ERRNO | 1  # EPERM
_NO_SUCH_CALL: Final = _ERRNO | 38  # ENOSYS

# Plain ones: (x86_64, aarch64), -1 where a processor does not have it.
ALLOWED: Final[dict[str, tuple[int, int]]] = {
    # the inherited socket, and descriptors that are open already; no sendmsg, which could give the host descriptors
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67), "close": (3, 57),
    "fstat": (5, 80), "lseek": (8, 62), "sendto": (44, 206), "recvfrom": (45, 207),
    "recvmsg": (47, 212), "shutdown": (48, 210), "poll": (7, -1), "ppoll": (271, 73), "ftruncate": (77, 46),
    # memory of the guest and of its code; memfd_create gives memory, not a file
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "mremap": (25, 216),
    "madvise": (28, 233), "memfd_create": (319, 279), "membarrier": (324, 283),
    # threads of the compiler, traps of the guest
    "futex": (202, 98), "set_robust_list": (273, 99), "rseq": (334, 293), "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123), "getcpu": (309, 168), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139), "sigaltstack": (131, 132), "restart_syscall": (219, 128), "exit": (60, 93),
    "exit_group": (231, 94), "getpid": (39, 172), "gettid": (186, 178), "getrusage": (98, 165), "uname": (63, 160),
    # time and entropy
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "nanosleep": (35, 101),
    "gettimeofday": (96, 169), "getrandom": (318, 278),
}  # fmt: skip

_CLONE_THREAD: Final = 0x0001_0100  # CLONE_THREAD | CLONE_VM: a thread, never a process
_OPEN_CHANGES: Final = 0o20003003 | 0o100  # write only, read and write, create, truncate, append, temporary file
_EMPTY_PATH: Final = 0x1000
_RENAME_THREAD: Final = 15  # PR_SET_NAME
_FCNTL: Final = (1, 2, 3, 1030, 1033)  # get and set close-on-exec, get flags, duplicate, seal
_REMOVE_DIRECTORY: Final = 0x200  # AT_REMOVEDIR


Instruction = tuple[int, int, int, int]


def program(machine: str, process: int, needs: Needs = NOTHING) -> bytes:
    """The filter for ``machine``, in which process ``process`` may signal itself (that is how abort works).

    What ``needs`` names is allowed beside that: a request of ``ioctl`` on its descriptor, removing directories in one.
    Raises ``KeyError`` for a processor that is not in the tables.
    """
    column = _COLUMN[machine]
    code: list[Instruction] = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _DENY),
    ]

    def rule(numbers: tuple[int, int], body: list[Instruction]) -> None:
        if numbers[column] >= 0:
            code.append((_EQUAL, 0, len(body), numbers[column]))
            code.extend(body)

    rule((56, 220), [_argument(0), (_AND, 0, 0, _CLONE_THREAD), *_allow_if(_CLONE_THREAD)])
    # The C library falls back to clone, whose flags a filter can read; those of clone3 are behind a pointer.
    rule((435, 435), [(_RETURN, 0, 0, _NO_SUCH_CALL)])
    rule((257, 56), [_argument(2), (_AND, 0, 0, _OPEN_CHANGES), *_allow_if(0)])
    rule((332, 291), [_argument(2), (_AND, 0, 0, _EMPTY_PATH), *_allow_if(_EMPTY_PATH)])
    rule((262, 79), [_argument(3), (_AND, 0, 0, _EMPTY_PATH), *_allow_if(_EMPTY_PATH)])
    rule((157, 167), [_argument(0), *_allow_if(_RENAME_THREAD)])
    rule((72, 25), [_argument(1), *_allow_if(*_FCNTL)])
    rule((234, 131), [_argument(0), *_allow_if(process)])
    # Reading limits is how the C library finds the size of a stack; a new limit would be a pointer that is not null.
    rule((302, 261), [_argument(2), (_EQUAL, 1, 0, 0), (_RETURN, 0, 0, _DENY), _argument(2, high=True), *_allow_if(0)])
    if needs.ioctls:
        rule((16, 29), _ioctls(needs))
    if needs.removes_in is not None:
        on_it = [_argument(0), (_EQUAL, 1, 0, needs.removes_in), (_RETURN, 0, 0, _DENY)]
        rule((263, 35), [*on_it, _argument(2), *_allow_if(_REMOVE_DIRECTORY)])
    for numbers in ALLOWED.values():
        rule(numbers, [(_RETURN, 0, 0, _ALLOW)])
    code.append((_RETURN, 0, 0, _DENY))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def install(needs: Needs = NOTHING) -> None:
    """Put the filter over every thread of this process. Raises ``OSError`` when the kernel refuses, or lacks it."""
    machine = platform.machine()
    if machine not in _COLUMN:
        raise OSError(f"no system call table for {machine}")
    code = program(machine, os.getpid(), needs)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    outcome = libc.syscall(
        ctypes.c_long(_SECCOMP_CALL[machine]),
        ctypes.c_long(_SET_MODE_FILTER),
        ctypes.c_long(_ALL_THREADS),
        ctypes.c_char_p(header),
    )
    if outcome != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))


def _argument(index: int, *, high: bool = False) -> Instruction:
    return (_LOAD, 0, 0, 16 + 8 * index + (4 if high else 0))


def _ioctls(needs: Needs) -> list[Instruction]:
    """Allow each request on its own descriptor only. The kernel reads 32 bits of either, and so does this."""
    tests: list[Instruction] = []
    for descriptor, number in sorted(needs.ioctls):
        tests += [
            _argument(0),
            (_EQUAL, 0, 3, descriptor),
            _argument(1),
            (_EQUAL, 0, 1, number),
            (_RETURN, 0, 0, _ALLOW),
        ]
    return [*tests, (_RETURN, 0, 0, _DENY)]


def _allow_if(*values: int) -> list[Instruction]:
    """Allow when what was loaded is one of ``values``, deny otherwise."""
    tests: list[Instruction] = [(_EQUAL, len(values) - at, 0, value) for at, value in enumerate(values)]
    return [*tests, (_RETURN, 0, 0, _DENY), (_RETURN, 0, 0, _ALLOW)]
