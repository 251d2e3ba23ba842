"""What the C library does with memory that was freed.

It learns from large buffers: after the first module of 30 MB everything below that size comes from heaps of their own
that never shrink, several of them, and an idle daemon holds a few hundred MB of nothing.
"""

import ctypes
from typing import Final

__all__ = ["return_large_buffers"]

_MMAP_THRESHOLD: Final = -3  # M_MMAP_THRESHOLD
LARGE_BYTES: Final = 4_000_000
"""Buffers of modules and uploads are larger, those of payloads and results are not."""


def return_large_buffers() -> bool:
    """Have buffers of ``LARGE_BYTES`` and more go back to the kernel when freed; false where that cannot be said."""
    library = ctypes.CDLL(None)
    # Only glibc has it, and only glibc needs it.
    return hasattr(library, "mallopt") and bool(library.mallopt(_MMAP_THRESHOLD, LARGE_BYTES))
