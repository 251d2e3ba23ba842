"""Every table of the host's database, and how its records are sealed again.

Records of workflows and values of plugins are read, sealed under the version that writes, and put back only where they
still are what was read. Runs are chains in which each event and chunk is bound to its predecessor, so those that have
ended go as a whole (``rotation_runs``), and those that have not keep the version that they began with.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from strongroom.engine import specs
from strongroom.engine.rotation_check import Looked
from strongroom.engine.rotation_runs import EndedRuns
from strongroom.engine.rotation_table import RUNS, EndedTable, GoesAlong, Table, UnfinishedRuns
from strongroom.errors import KeyMissing, StrongroomError, Tampered
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import AUDIT_HEADS, PLUGIN_STORES, WORKFLOWS
from strongroom.keyring.run_keys import RunEncryptor
from strongroom.storage import audit_heads, key_counts, runs_again
from strongroom.storage import specs as spec_rows
from strongroom.storage.database import Connection, Database
from strongroom.storage.specs import SpecRow
from strongroom.telemetry import logs

__all__ = ["tables"]

VALUES_MAX: Final = 500
"""Values that are read at once to be looked at."""
SPECS_MAX: Final = 50
"""Records that one transaction seals again; a config may have a megabyte."""
SEALED: Final = ("config", "subscriptions")
"""What of a record is sealed; the rest is authenticated."""
BLOBS_OF_SPEC: Final = 3
"""The MAC of a record, its config and its subscriptions."""
log = logs.get("keys")


def tables(database: Database, keys: RecordKeys, run_keys: RunEncryptor) -> list[Table | UnfinishedRuns]:
    """Every table with something sealed in it."""
    ended = EndedRuns(database, keys, run_keys)
    specs_sealed, values, heads = _Specs(database, keys), _Values(database, keys), _Heads(database, keys)
    return [
        Table("workflow_specs", database, batch=specs_sealed, look=specs_sealed.look),
        Table("plugin_values", database, batch=values, look=values.look),
        Table("audit_heads", database, batch=heads, look=heads.look),
        EndedTable(RUNS, database, batch=ended, look=ended.look, skipped=ended.skipped),
        *(GoesAlong(table, database) for table in runs_again.TABLES if table != RUNS),
        UnfinishedRuns(database, lambda: keys.writing_version),
    ]


class _Specs:
    """Records of workflows, by id."""

    def __init__(self, database: Database, keys: RecordKeys) -> None:
        self._database = database
        self._keys = keys
        self._after = ""

    def __call__(self, blobs_max: int) -> int:
        try:
            return self._batch(min(blobs_max, SPECS_MAX))
        except StrongroomError:
            # What was not written must be found by the next job.
            self._after = ""
            raise

    def _batch(self, limit: int) -> int:
        version = self._keys.writing_version
        # Past whole batches of what cannot be opened.
        while found := self._page(version, limit, self._after):
            before, self._after = self._after, found[-1].workflow_id
            changed = [(row.mac, sealed) for row in found if (sealed := self._sealed_again(row)) is not None]
            number = self._database.write(partial(_replace_specs, changed)).result() if changed else 0
            if number < len(changed):
                # Who pauses a workflow leaves its version as it is, so what was changed meanwhile is looked at again.
                self._after = before
            if number:
                return number * BLOBS_OF_SPEC
        # From the beginning the next time: what was skipped may be readable then.
        self._after = ""
        return 0

    def look(self) -> Looked:
        """Open every record that is not under the version that writes."""
        looked = Looked()
        version, after = self._keys.writing_version, ""
        while found := self._page(version, SPECS_MAX, after):
            after = found[-1].workflow_id
            for row in found:
                try:
                    self._opened(row)
                    looked.opens += BLOBS_OF_SPEC
                except (Tampered, KeyMissing) as error:
                    looked.cannot(f"{row.workflow_id}: {error} ({error.code})", BLOBS_OF_SPEC)
        return looked

    def _page(self, version: int, limit: int, after: str) -> list[SpecRow]:
        return self._database.read(lambda c: key_counts.specs_of_other_versions(c, version, after=after, limit=limit))

    def _opened(self, row: SpecRow) -> dict[str, bytes]:
        self._keys.check(specs.TABLE, row.columns(), key_version=row.key_version, mac=row.mac)
        return {name: self._keys.open(WORKFLOWS, (row.workflow_id, name), getattr(row, name)) for name in SEALED}

    def _sealed_again(self, row: SpecRow) -> SpecRow | None:
        try:
            opened = self._opened(row)
        except (Tampered, KeyMissing) as error:
            _skipped(row.workflow_id, error)
            return None
        again = {name: self._keys.seal(WORKFLOWS, (row.workflow_id, name), opened[name]) for name in SEALED}
        sealed = replace(
            row,
            config=again["config"],
            subscriptions=again["subscriptions"],
            key_version=self._keys.writing_version,
        )
        mac = self._keys.mac(specs.TABLE, sealed.columns(), key_version=sealed.key_version)
        return replace(sealed, mac=mac)


class _Values:
    """What plugins keep, by plugin, owner and key."""

    def __init__(self, database: Database, keys: RecordKeys) -> None:
        self._database = database
        self._keys = keys
        self._after: tuple[str, str, str] | None = None

    def __call__(self, blobs_max: int) -> int:
        try:
            return self._batch(blobs_max)
        except StrongroomError:
            self._after = None
            raise

    def _batch(self, limit: int) -> int:
        version = self._keys.writing_version
        while found := self._page(version, limit, self._after):
            self._after = found[-1][:3]
            changed = [(row, sealed) for row in found if (sealed := self._sealed_again(row)) is not None]
            if changed and (number := self._database.write(partial(_replace_values, changed)).result()):
                return number
        self._after = None
        return 0

    def look(self) -> Looked:
        """Open every value that is not under the version that writes."""
        looked = Looked()
        version, after = self._keys.writing_version, None
        while found := self._page(version, VALUES_MAX, after):
            after = found[-1][:3]
            for row in found:
                try:
                    self._keys.open(PLUGIN_STORES, row[:3], row[3])
                    looked.opens += 1
                except (Tampered, KeyMissing) as error:
                    looked.cannot(f"a value of plugin {row[0]}: {error} ({error.code})")
        return looked

    def _page(self, version: int, limit: int, after: tuple[str, str, str] | None) -> Sequence[key_counts.ValueRow]:
        return self._database.read(lambda c: key_counts.values_of_other_versions(c, version, after=after, limit=limit))

    def _sealed_again(self, row: key_counts.ValueRow) -> bytes | None:
        place = row[:3]
        try:
            return self._keys.seal(PLUGIN_STORES, place, self._keys.open(PLUGIN_STORES, place, row[3]))
        except (Tampered, KeyMissing) as error:
            _skipped(f"a value of plugin {row[0]}", error)
            return None


class _Heads:
    """Heads of audit logs, a row for each host. A host that writes seals its own again by itself."""

    def __init__(self, database: Database, keys: RecordKeys) -> None:
        self._database = database
        self._keys = keys

    def __call__(self, _blobs_max: int) -> int:
        changed = [(name, sealed, again) for name, sealed in self._old() if (again := self._sealed_again(name, sealed))]
        if not changed:
            return 0
        return self._database.write(lambda c: sum(audit_heads.replace(c, *each) for each in changed)).result()

    def look(self) -> Looked:
        """Open every head that is not under the version that writes."""
        looked = Looked()
        for name, sealed in self._old():
            try:
                self._keys.open(AUDIT_HEADS, (name,), sealed)
                looked.opens += 1
            except (Tampered, KeyMissing) as error:
                looked.cannot(f"the head of the audit log of {name}: {error} ({error.code})")
        return looked

    def _old(self) -> list[tuple[str, bytes]]:
        version = self._keys.writing_version.to_bytes(4, "big")
        heads = self._database.read(audit_heads.all)
        return [(name, sealed) for name, sealed in heads.items() if sealed[4:8] != version]

    def _sealed_again(self, name: str, sealed: bytes) -> bytes | None:
        try:
            return self._keys.seal(AUDIT_HEADS, (name,), self._keys.open(AUDIT_HEADS, (name,), sealed))
        except (Tampered, KeyMissing) as error:
            _skipped(f"the head of the audit log of {name}", error)
            return None


def _replace_specs(changed: list[tuple[bytes, SpecRow]], connection: Connection) -> int:
    """Put back what is still there as it was read; how many."""
    number = 0
    for mac_before, row in changed:
        if spec_rows.get_mac(connection, row.workflow_id) == mac_before:
            spec_rows.replace(connection, row)
            number += 1
    return number


def _replace_values(changed: list[tuple[key_counts.ValueRow, bytes]], connection: Connection) -> int:
    return sum(key_counts.replace_value(connection, row, value) for row, value in changed)


def _skipped(what: str, error: StrongroomError) -> None:
    log.warning("a record is left as it is: it cannot be opened", extra={"record": what, "code": error.code})
