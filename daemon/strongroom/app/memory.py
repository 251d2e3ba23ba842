"""What becomes of memory that was freed, and when Python looks for some.

The C library learns from large buffers: after the first module of 30 MB everything below that size comes from heaps of
their own that never shrink, several of them, and an idle daemon holds a few hundred MB of nothing.
"""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["loading", "return_large_buffers"]

_MMAP_THRESHOLD: Final = -3  # M_MMAP_THRESHOLD
LARGE_BYTES: Final = 4_000_000
"""Buffers of modules and uploads are larger, those of payloads and results are not."""
FULL_SWEEP: Final = 100
"""Looks for garbage among what is older until one through everything, which stops all threads: for 80 ms beside a
workspace of a hundred thousand values. At Python's 10, sealing that again causes one every second. At 100 cycles that
outlived two looks are freed later, once there may be some hundred thousand of them; a run leaves about ten."""


def return_large_buffers() -> bool:
    """Have buffers of ``LARGE_BYTES`` and more go back to the kernel when freed; false where that cannot be said."""
    library = ctypes.CDLL(None)
    # Only glibc has it, and only glibc needs it.
    return hasattr(library, "mallopt") and bool(library.mallopt(_MMAP_THRESHOLD, LARGE_BYTES))


@contextmanager
def loading() -> Iterator[None]:
    """Look for no garbage while the parts of a host are imported, and never again among what is there then.

    All of it stays. Looking through it each time that some more was read is a tenth of the work of a start. What comes
    later is looked through whole after ``FULL_SWEEP``.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        young, older, _ = gc.get_threshold()
        gc.set_threshold(young, older, FULL_SWEEP)
        gc.enable()
