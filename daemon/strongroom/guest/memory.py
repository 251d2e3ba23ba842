"""The memory of a process, as the kernel counts it."""

import os
from pathlib import Path
from typing import Final

__all__ = ["resident_bytes"]

PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
RESIDENT: Final = 1
"""The place of the resident pages in ``statm``."""


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 when it is gone, or not ours to look at."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[RESIDENT]) * PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0
