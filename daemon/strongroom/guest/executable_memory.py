"""Whether this process can make memory executable, found out by trying.

A process that compiles or loads native code must be able to; one that holds keys should not.
"""

import ctypes
import mmap
from typing import Final

__all__ = ["can_be_made"]

_FAILED: Final = ctypes.c_void_p(-1).value
_ANONYMOUS: Final = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


def can_be_made() -> bool:
    """True when a page of this process that was written to can become code. That page is empty and given back."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    size = ctypes.c_size_t(mmap.PAGESIZE)
    page = libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, _ANONYMOUS, -1, ctypes.c_long(0))
    if page in {None, _FAILED}:
        raise MemoryError("not a page is left")
    address = ctypes.c_void_p(page)
    try:
        return bool(libc.mprotect(address, size, mmap.PROT_READ | mmap.PROT_EXEC) == 0)
    finally:
        libc.munmap(address, size)
