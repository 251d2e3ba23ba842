"""Holds a keyring against a database and opens a sample of everything in it: does this keyring bring this data back?

Of each kind and each key version some records are authenticated and some values opened; nothing of them leaves here.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from strongroom.engine import specs
from strongroom.engine.hook_rows import HookRows
from strongroom.engine.journal import Journals
from strongroom.engine.key_life import DEPLOYMENT_ID
from strongroom.engine.stream_chunk import open_chunk
from strongroom.errors import KeyMissing, Tampered
from strongroom.keyring.check import verify
from strongroom.keyring.key_state import KEY_STATE, read_state
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import AUDIT_HEADS, PLUGIN_STORES, WORKFLOWS, RootKeyring
from strongroom.keyring.run_keys import RunEncryptor
from strongroom.storage import key_checks, key_counts, meta, runs, samples, stream_chunks
from strongroom.storage.database import Connection, Database
from strongroom.storage.hooks import HookRow
from strongroom.storage.key_checks import KeyCheckRow
from strongroom.storage.runs import RunRow
from strongroom.storage.specs import SpecRow
from strongroom.storage.stream_chunks import ChunkRow

__all__ = ["OF_EACH", "PROBLEMS_MAX", "Probed", "probe_database"]

OF_EACH: Final = 20
"""Rows of each kind and key version that are looked at. What one backup holds differs from the next in rows, and what
keeps a database from opening, such as a key, a deployment or a schema, keeps all of them from it."""
PROBLEMS_MAX: Final = 20
Row = Mapping[str, Any]  # Any: what columns hold


@dataclass(slots=True)
class Probed:
    """How many blobs there are by kind and key version, how many were opened, and what did not open."""

    found: dict[str, dict[int, int]] = field(default_factory=dict)
    opened: dict[str, dict[int, int]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def see(self, kind: str, version: int, count: int) -> None:
        """There are so many."""
        self.found.setdefault(kind, {})[version] = count

    def try_one(self, kind: str, version: int, what: str, opening: Callable[[], object]) -> None:
        """Open one, and count it or say what is wrong with it."""
        try:
            opening()
        except (KeyMissing, Tampered) as error:
            self.cannot(f"{what}: {error} ({error.code})")
            return
        by_version = self.opened.setdefault(kind, {})
        by_version[version] = by_version.get(version, 0) + 1

    def cannot(self, problem: str) -> None:
        """Say what is wrong; the first few are kept."""
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


def probe_database(database: Database, root: RootKeyring) -> Probed:
    """What ``root`` opens of ``database``, which is only read.

    Raises ``KeyMissing`` naming the key ids that are missing, and ``Tampered`` where what the database says about its
    keys is not to be believed.
    """
    rows, text, deployment_id = database.read(_facts)
    verify(root, rows)
    probed = Probed()
    if not deployment_id:
        return probed
    read_state(root, text, rows, deployment_id)
    looks = _Looks(database, root, deployment_id)
    for kind, look in looks.by_table.items():
        counts: Counter[int] = database.read(lambda c, kind=kind: key_counts.by_version(c, kind))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        for version in sorted(version for version in counts if version):
            probed.see(kind, version, counts[version])
            _look_at(database, probed, kind, version, look)
    return probed


def _look_at(database: Database, probed: Probed, kind: str, version: int, look: "Look") -> None:
    for row in database.read(lambda c: samples.rows_of_version(c, kind, version, limit=OF_EACH)):
        name = str(next(iter(row.values())))[:80]
        probed.try_one(kind, version, f"{kind} {name}", lambda row=row: look(row))  # type: ignore[misc]  # as above


def _facts(connection: Connection) -> tuple[list[KeyCheckRow], str | None, str]:
    return key_checks.all(connection), meta.get(connection, KEY_STATE), meta.get(connection, DEPLOYMENT_ID) or ""


Look = Callable[[Row], object]


class _Looks:
    """How a row of each table is opened. Each raises ``Tampered`` or ``KeyMissing``."""

    def __init__(self, database: Database, root: RootKeyring, deployment_id: str) -> None:
        self._database = database
        self._keys = RecordKeys(root)
        self._run_keys = RunEncryptor(root, deployment_id)
        self._journals = Journals(database, self._run_keys, self._keys)
        self._hooks = HookRows(self._keys)
        self.by_table: Mapping[str, Look] = {
            "workflow_specs": self._spec,
            "runs": lambda row: self._journals.verified(RunRow(**row)),
            "run_events": self._event,
            "stream_chunks": self._chunk,
            "hooks": lambda row: self._hooks.verified(HookRow(**row)),
            "plugin_values": lambda row: self._keys.open(
                PLUGIN_STORES, (row["plugin"], row["owner"], row["key"]), _bytes(row["value"])
            ),
            "audit_heads": lambda row: self._keys.open(AUDIT_HEADS, (row["name"],), _bytes(row["sealed"])),
        }

    def _spec(self, row: Row) -> None:
        spec = SpecRow(**row)
        self._keys.check(specs.TABLE, spec.columns(), key_version=spec.key_version, mac=spec.mac)
        for name in ("config", "subscriptions"):
            self._keys.open(WORKFLOWS, (spec.workflow_id, name), getattr(spec, name))

    def _event(self, row: Row) -> None:
        header = self._database.read(lambda c: runs.get(c, row["run_id"]))
        if header is None:
            raise Tampered(f"an event of run {row['run_id']}, which is not there")
        (event,) = self._journals.page(header, row["index"], 1)
        if event.content is None:
            raise Tampered(f"event {row['index']} of run {row['run_id']}")

    def _chunk(self, row: Row) -> None:
        chunk = ChunkRow(**row)
        before = self._database.read(lambda c: stream_chunks.before(c, chunk)) if chunk.index else None
        open_chunk(self._run_keys, chunk, before)


def _bytes(value: object) -> bytes:
    """SQLite keeps a value of any type in any column; what is no bytes opens nowhere."""
    return value if isinstance(value, bytes) else b""
