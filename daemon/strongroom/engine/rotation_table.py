"""Tables of the host's database as things that are sealed, with how many of their blobs are under which version."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from strongroom.engine.rotation_check import Looked
from strongroom.storage import key_counts, runs_again
from strongroom.storage.database import Connection, Database

__all__ = ["RUNS", "EndedTable", "GoesAlong", "Table", "UnfinishedRuns"]

RUNS: Final = "runs"
"""The table with a row for each run."""
UNFINISHED: Final = "unfinished runs"
KEEPS: Final = "a run keeps the version that it began with until it ends"


@dataclass(slots=True)
class Table:
    """One table. ``batch`` seals some of its rows again, behind the place where the last batch ended."""

    table: str
    database: Database
    stays: str = ""
    batch: Callable[[int], int] = field(default=lambda _blobs_max: 0)
    look: Callable[[], Looked] = field(default=Looked)
    skipped: Callable[[], Sequence[str]] = field(default=tuple)
    kind: Literal["table"] = "table"

    @property
    def name(self) -> str:
        """``table`` and its name in the database."""
        return f"table {self.table}"

    def counts(self) -> Mapping[int, int]:
        """MACs and sealed values by key version."""
        return self.database.read(lambda connection: key_counts.by_version(connection, self.table))

    def rewrap(self, blobs_max: int) -> int:
        """Seal up to ``blobs_max`` again."""
        return self.batch(blobs_max)

    def finish(self) -> None:
        """A table holds nothing old once its rows are replaced."""


class EndedTable(Table):
    """One of the tables of runs, without those that have not ended."""

    def counts(self) -> Mapping[int, int]:
        """MACs and sealed values by key version."""

        def query(connection: Connection) -> Mapping[int, int]:
            return key_counts.by_version(connection, self.table) - runs_again.unfinished_by_version(
                connection, self.table
            )

        return self.database.read(query)


class GoesAlong(EndedTable):
    """What is sealed again with the header of its run."""

    goes_with: Final = f"table {RUNS}"


@dataclass(slots=True)
class UnfinishedRuns:
    """Runs that have not ended, with all that is theirs: they keep their version until then."""

    database: Database
    writing_version: Callable[[], int]
    name: str = UNFINISHED
    kind: Literal["table"] = "table"

    @property
    def stays(self) -> str:
        """How many keep an older version, and what to do."""
        version = self.writing_version()
        number = self.database.read(lambda connection: runs_again.count_unfinished(connection, version))
        if not number:
            return KEEPS
        return f"{number} runs keep an older version until they end: wait for them, or strongroom run cancel"

    def counts(self) -> Mapping[int, int]:
        """MACs and sealed values by key version, in all tables of runs."""

        def query(connection: Connection) -> Mapping[int, int]:
            return sum(
                (runs_again.unfinished_by_version(connection, table) for table in runs_again.TABLES), Counter[int]()
            )

        return self.database.read(query)

    def rewrap(self, blobs_max: int) -> int:
        """Nothing is: whoever executes a run holds the end of its chain."""
        del blobs_max
        return 0

    def finish(self) -> None:
        """Nothing was begun."""
