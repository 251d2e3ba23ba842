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
SWEEPS: Final = (700, 10, 100)
"""When garbage is looked for: the first two are Python's own. Looking through everything stops all threads, for 80 ms
beside a workspace of a hundred thousand values; at Python's 10 sealing that again causes it every second, at 100 it is
seldom. What it would free meanwhile are cycles that outlived two looks: few, and bounded by their number."""


def return_large_buffers() -> bool:
    """Have buffers of ``LARGE_BYTES`` and more go back to the kernel when freed; false where that cannot be said."""
    library = ctypes.CDLL(None)
    # Only glibc has it, and only glibc needs it.
    return hasattr(library, "mallopt") and bool(library.mallopt(_MMAP_THRESHOLD, LARGE_BYTES))


@contextmanager
def loading() -> Iterator[None]:
    """Look for no garbage while the parts of a host are imported, and never again among what is there then.

    All of it stays. Looking through it each time that some more was read is a tenth of the work of a start. What comes
    later is looked through as ``SWEEPS`` say.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*SWEEPS)
        gc.enable()
