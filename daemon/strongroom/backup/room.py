"""Whether there is room for a backup, with the numbers: better asked before than found out in the middle."""

import shutil
from pathlib import Path
from typing import Final

from strongroom.errors import StorageFault
from strongroom.storage.facts import database_bytes

__all__ = ["Room", "check_room", "database_bytes"]

SPARE_SHARE: Final = 0.1
SPARE_BYTES: Final = 16_000_000
"""Left free: a disk that a backup fills stops the host that it was made for."""


class Room:
    """How much is needed, and how much is free."""

    def __init__(self, directory: Path, size: int) -> None:
        """Look now. ``directory`` need not be there yet."""
        self.size = size
        while not directory.exists():
            directory = directory.parent
        self.directory = directory
        self.needed = size + int(size * SPARE_SHARE) + SPARE_BYTES
        self.free = shutil.disk_usage(directory).free

    @property
    def is_enough(self) -> bool:
        """Whether it fits."""
        return self.free >= self.needed


def check_room(directory: Path, size: int) -> None:
    """Raise ``StorageFault`` unless ``size`` bytes fit, and some are left."""
    room = Room(directory, size)
    if not room.is_enough:
        raise StorageFault(
            "SR-BACKUP-012",
            f"there is no room for a backup in {room.directory}",
            why=f"it takes {room.needed} bytes with what is left free, and {room.free} are free",
            fix="make room there; nothing was begun",
            size=room.needed,
            limit=room.free,
        )
