"""Wires what watches the disks of a host."""

import os
import secrets
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from strongroom.app.auditing import audit_file
from strongroom.engine.disk_watch import DiskMarks, DiskWatch
from strongroom.settings.model import Settings
from strongroom.storage import meta
from strongroom.storage.database import Database

__all__ = ["disk_watch"]

PROBE: Final = "disk_probe"
PROBE_BYTES: Final = 32_768
"""More than fits into the pages that a row has already."""


def disk_watch(settings: Settings, mode: str, database: Database) -> DiskWatch:
    """A watch over state, cache and audit log that is not started yet; ``database`` tells it of refused writes."""
    marks = DiskMarks(low_bytes=settings.disk.low_bytes, high_bytes=settings.disk.high_bytes)
    places: Mapping[str, Path] = {
        "database": settings.database.parent if isinstance(settings.database, Path) else settings.state_dir,
        "state_dir": settings.state_dir,
        "cache_dir": settings.cache_dir,
        "audit": audit_file(settings, mode, os.environ).parent,
    }

    def probe() -> None:
        for value in (secrets.token_hex(PROBE_BYTES), ""):
            database.write(partial(meta.set, name=PROBE, value=value)).result()

    watch = DiskWatch(lambda: places, lambda: marks, probe=probe, spare_bytes=database.spare_bytes)
    database.on_refused = watch.refused
    return watch
