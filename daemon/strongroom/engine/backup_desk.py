"""Makes backups of a running host, and knows which of them were kept."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from strongroom.backup.making import Made, make
from strongroom.backup.sources import Sources
from strongroom.storage import meta
from strongroom.storage.database import Database

__all__ = ["LAST_BACKUP_MS", "BackupDesk", "MadeBackup"]

LAST_BACKUP_MS: Final = "last_backup_ms"
"""When the last backup that was kept began, among the facts about the database; Unix milliseconds."""
MADE_MAX: Final = 64
"""Backups that may still be confirmed; one is made at a time."""


@dataclass(frozen=True, slots=True)
class MadeBackup:
    """One whose parts are made."""

    made: Made

    @property
    def backup_id(self) -> str:
        """Its id."""
        return self.made.manifest.backup_id

    @property
    def size(self) -> int:
        """About how many bytes it has."""
        return self.made.size

    def pieces(self) -> Iterator[bytes]:
        """The bytes of its file. Raises ``StorageFault``."""
        return self.made.pieces()

    def close(self) -> None:
        """Take away what was made for it."""
        self.made.close()


class BackupDesk:
    """One backup at a time; ``confirm`` from any thread."""

    def __init__(self, sources: Sources, database: Database) -> None:
        self._sources = sources
        self._database = database
        self._begun_ms: OrderedDict[str, int] = OrderedDict()

    def make(self, told: Callable[[str, int, int], object]) -> MadeBackup:
        """The parts of a backup that begins now. Raises ``StorageFault``, ``Unavailable``, and what ``told`` raises."""
        made = make(self._sources, told)
        self._begun_ms[made.manifest.backup_id] = made.manifest.begun_ms
        while len(self._begun_ms) > MADE_MAX:
            self._begun_ms.popitem(last=False)
        return MadeBackup(made)

    def confirm(self, backup_id: str) -> bool:
        """Note that a backup is kept; ``False`` for one that this host knows nothing of."""
        begun_ms = self._begun_ms.get(backup_id)
        if begun_ms is None:
            return False
        self._database.write(lambda connection: meta.set(connection, LAST_BACKUP_MS, str(begun_ms))).result()
        return True
