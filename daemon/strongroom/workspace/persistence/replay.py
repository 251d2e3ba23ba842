"""Reading a sealed log: which rows open, which do not and why, and the state that comes of those that do.

Rule 1: a row that cannot be opened, or that opens and is no update, is carried: it stays where it is, and is reported.
Rule 2: an update whose turn has not come is handed on as it is, and is in no state (``waiting``).
Rule 3: where nothing opens at all, not even the head, the keys are the wrong ones. That is an error, and nothing was
written: to go on would put an empty document in the place of one that is there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from strongroom.errors import KeyMissing
from strongroom.keyring.workspace_keys import WorkspaceKeys
from strongroom.storage.update_log import UpdateLog
from strongroom.storage.update_log_rows import Row
from strongroom.workspace.persistence.growth import Growth
from strongroom.workspace.persistence.head import Head, HeadCount, digest_of
from strongroom.workspace.persistence.row_seal import STATE, CannotOpen, RowSeal
from strongroom.workspace.persistence.waiting import Merging

__all__ = [
    "HEAD_META",
    "KEY_ID_META",
    "CarriedRow",
    "LoadReport",
    "LogCheck",
    "Replayed",
    "carried_row",
    "key_id",
    "replay",
]

HEAD_META: Final = "head"
KEY_ID_META: Final = "key-id"
WHY_CHARACTERS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class CarriedRow:
    """A row that is kept as it is because nothing can be made of it now.

    ``lacks_key`` says that all it may need is a key version which is not held; the others are damaged for good.
    """

    id: int
    key_version: int
    size: int
    reason: str
    lacks_key: bool = False


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load found. ``head_problem`` says in words why the log is not the one that was written, if it is not.

    Unless ``is_whole``, the document may know less than its peers do of what its own client id wrote. A client id must
    not write the same numbers twice, so such a document has to go on under another one.
    """

    applied: int
    carried: tuple[CarriedRow, ...]
    head_problem: str
    waiting: tuple[int, ...] = ()
    """Rows that opened, and whose updates wait for others that are not here; they show once those come from a peer."""

    @property
    def is_whole(self) -> bool:
        """Whether everything that was ever flushed is in the document."""
        return not self.carried and not self.head_problem and not self.waiting


@dataclass(frozen=True, slots=True)
class LogCheck:
    """What a verification found: rows in all, those that stay closed, how the log differs from the document or from
    its own head, if it does, and the rows that wait for others."""

    rows: int
    carried: tuple[CarriedRow, ...]
    problem: str
    waiting: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Replayed:
    """The state that the rows come to (encoding V1), the report, and what the log goes on counting from."""

    state: bytes
    report: LoadReport
    waiting: Mapping[int, bytes]
    count: HeadCount
    growth: Growth
    head_version: int


def replay(log: UpdateLog, seal: RowSeal, keys: WorkspaceKeys) -> Replayed:
    """Open and merge all rows of ``log``. Raises ``KeyMissing`` when the keys are those of something else."""
    count = HeadCount()
    for row in log.rows():
        count.add({row.id: digest_of(row.id, row)})
    head, problem = _head(log, seal, keys, count.head())
    # Of a complete log each row builds on rows before it, so nobody has to see in whose turn it is.
    is_complete = head is not None and head.complete and not problem
    merging = Merging()
    carried: dict[int, CarriedRow] = {}
    growth = Growth()
    for row in log.rows():
        try:
            update = seal.open(keys, row)
        except CannotOpen as closed:
            carried[row.id] = carried_row(row, closed)
            is_complete = False
            continue
        # A whole state never waits: the library puts only what it has integrated into one.
        (merging.add_whole if is_complete or row.purpose == STATE else merging.add)(row.id, update)
        if row.id not in merging.refused:
            growth.add_row(row.purpose == STATE, row.size)
    for row in log.rows(list(merging.refused)):
        carried[row.id] = CarriedRow(row.id, row.key_version, row.size, merging.refused[row.id])
    if carried and len(carried) == len(count) and head is None:
        raise _wrong_keys(log, seal, keys, carried.values())
    waiting = merging.waiting()
    in_order = tuple(carried[number] for number in sorted(carried))
    report = LoadReport(len(count) - len(carried), in_order, problem, tuple(waiting))
    head_version = int.from_bytes((log.meta(HEAD_META) or b"")[1:2], "big")
    return Replayed(merging.state(), report, waiting, count, growth, head_version)


def carried_row(row: Row, closed: CannotOpen) -> CarriedRow:
    """``row`` with the reason why it stays closed."""
    return CarriedRow(row.id, closed.key_version, row.size, closed.reason, closed.lacks_key)


def key_id(keys: WorkspaceKeys, version: int) -> str:
    """The version and the fingerprint of a key: what people compare."""
    return f"{version}:{keys.key(version).fingerprint()}"


def _head(log: UpdateLog, seal: RowSeal, keys: WorkspaceKeys, found: Head) -> tuple[Head | None, str]:
    """The head as it was written, and what is wrong with it or with the rows that were ``found``."""
    blob = log.meta(HEAD_META)
    if blob is None:
        return None, "its head is gone" if found.rows else ""
    try:
        head = Head.decoded(seal.open_head(keys, blob))
    except CannotOpen as closed:
        return None, f"its head stays closed: {closed.reason}"
    if head is None:
        return None, "its head is of another release"
    return head, head.problem(found)


def _wrong_keys(log: UpdateLog, seal: RowSeal, keys: WorkspaceKeys, carried: Iterable[CarriedRow]) -> KeyMissing:
    written = (log.meta(KEY_ID_META) or b"").decode("ascii", "replace")
    needed = written or ", ".join(str(version) for version in sorted({row.key_version for row in carried}))
    held = ", ".join(key_id(keys, version) for version in keys.versions)
    return KeyMissing(
        "SR-WS-070",
        f"the log of workspace {seal.guid} is sealed under other keys",
        why=f"it was last written under key {needed[:WHY_CHARACTERS_MAX]}, the keyring holds {held}",
        fix="give the keyring that it was written with, of the same owner; nothing was changed",
        expected=needed[:WHY_CHARACTERS_MAX],
        offered=held,
    )
