"""The life of the host's keyring beside its database: opened, reloaded, promoted, retired.

Rule 1: what the database says is written first, and only then does the keyring become it, everywhere at once.
Rule 2: a running host writes under another version because one was promoted, never because one was added.
Rule 3: a version is dropped from memory before it is looked for the last time, so nothing new can need it.
Rule 4: a keyring that does not fit is refused before anything is written.
"""

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from strongroom.engine import journal, specs
from strongroom.engine.journal import now_ms
from strongroom.errors import KeyMissing, StrongroomError, Tampered
from strongroom.keyring.check import verify
from strongroom.keyring.key_state import KEY_STATE, KeyState, check_not_older, read_state, state_text
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import RootKeyring
from strongroom.keyring.run_keys import RunEncryptor
from strongroom.keyring.version_states import VersionEvent, VersionState, state_of, step
from strongroom.storage import key_checks, key_counts, meta
from strongroom.storage.database import Connection, Database
from strongroom.storage.key_checks import KeyCheckRow
from strongroom.storage.runs import RunRow
from strongroom.telemetry import logs

__all__ = ["DEPLOYMENT_ID", "KeyLife", "VersionInfo"]

DEPLOYMENT_ID: Final = "deployment_id"
"""The name of this deployment among the facts about the database, part of every run key; made once."""
ABOVE_LOOKED_AT: Final = 16
"""Records that claim a version above the promoted one and are looked at: one authentic one is enough."""
OFFERED_AGAIN: Final = "SR-KEY-023"
log = logs.get("keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionInfo:
    """One key version of this host. Times are Unix milliseconds, 0 where it did not happen."""

    version: int
    key_id: str
    state: VersionState
    is_held: bool
    created_at: int
    retired_at: int


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the database says about key versions; authentic once ``state`` is there."""

    rows: tuple[KeyCheckRow, ...]
    text: str | None
    deployment_id: str
    state: KeyState


class KeyLife:
    """Changes the keyring ``root`` of a host, one change at a time. Safe for any thread."""

    def __init__(
        self,
        root: RootKeyring,
        database: Database,
        *,
        offered: Callable[[], RootKeyring] | None = None,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        """``offered`` reads the keyring again where it came from; without it there is nothing to reload."""
        self._root = root
        self._database = database
        self._offered = offered or (lambda: root)
        self._clock_ms = clock_ms
        self._changing = threading.RLock()
        self.deployment_id = ""
        self.on_change: list[Callable[[], object]] = []
        """Called after every change, for what keeps keys derived from the root."""

    def open(self) -> None:
        """Check the keyring against the database, and take from it what was promoted and retired.

        Raises ``KeyMissing`` naming expected and offered key ids, ``Tampered``, or ``StorageFault`` when an older
        promotion was put back; nothing was written then.
        """
        with self._changing:
            rows, text, deployment_id = self._facts()
            missing = verify(self._root, rows, now_ms=self._clock_ms())
            stored = self._verified(self._root, rows, text, deployment_id)
            candidate = self._candidate(self._root, stored, stored.state.promoted)
            self._check_age(candidate, stored.state)
            if missing or text is None or not deployment_id:
                self._write(candidate, stored, missing, stored.state.promoted)
            self._become(candidate)

    def reload(self) -> list[int]:
        """Take the keyring as it is now where it came from; the versions that are new. Raises as ``open`` does."""
        with self._changing:
            offered = self._offered()
            rows, text, deployment_id = self._facts()
            missing = verify(offered, rows, now_ms=self._clock_ms())
            stored = self._verified(offered, rows, text, deployment_id)
            # Written down, or the next start would write under what was only added (rule 2).
            promoted = stored.state.promoted or (self._root.writing_version if missing else None)
            candidate = self._candidate(offered, stored, promoted)
            if missing:
                self._write(candidate, stored, missing, promoted)
            self._become(candidate)
            return [row.version for row in missing]

    def promote(self, version: int) -> None:
        """Write under ``version`` from now on. Raises ``WrongState`` for one that is not held, or is below."""
        with self._changing:
            stored = self._stored()
            step(self._state_of(version, stored), VersionEvent.PROMOTE, version=version)
            if stored.state.promoted == version:
                return
            candidate = self._root.changed(promoted=version)
            self._write(candidate, stored, [], version)
            self._become(candidate)
            log.info("a key version was promoted", extra={"key": candidate.key_id(version)})

    def retire(self, version: int, refuse_needed: Callable[[int], object]) -> bool:
        """Mark ``version`` as one that nothing needs, and forget it; whether it was not before.

        ``refuse_needed`` raises when something is sealed under it. Raises ``WrongState`` for the version that writes.
        """
        with self._changing:
            stored = self._stored()
            state = self._state_of(version, stored)
            step(state, VersionEvent.RETIRE, version=version)
            if state is VersionState.RETIRED:
                return False
            refuse_needed(version)
            before = self._root.changed()
            self._root.become(before.changed(without=version))
            try:
                # What was sealed a moment ago is on disk after this, and is found.
                self._database.write(_nothing).result()
                refuse_needed(version)
                at = self._clock_ms()
                rows = tuple(replace(row, retired_at=at) if row.version == version else row for row in stored.rows)
                self._write(self._root, replace(stored, rows=rows), [], stored.state.promoted, retire=(version, at))
            except BaseException:
                self._root.become(before)
                raise
            self._tell()
            log.info("a key version was retired", extra={"key_version_retired": version})
            return True

    def may_retire(self, version: int, refuse_needed: Callable[[int], object]) -> bool:
        """As ``retire``, but nothing is changed."""
        with self._changing:
            state = self._state_of(version, self._stored())
            step(state, VersionEvent.RETIRE, version=version)
            if state is not VersionState.RETIRED:
                refuse_needed(version)
            return state is not VersionState.RETIRED

    def run_keys(self) -> RunEncryptor:
        """Keys of the runs of this deployment, for what looks at many runs once: its cache is its own."""
        return RunEncryptor(self._root, self.deployment_id)

    @property
    def writing_version(self) -> int:
        """The version that writes now."""
        return self._root.writing_version

    @property
    def is_promoted(self) -> bool:
        """Whether it writes because it was promoted, and not because it is the highest."""
        return self._root.promoted is not None

    def key_id(self, version: int) -> str:
        """The name of a version that is held."""
        return self._root.key_id(version)

    def is_offered(self, version: int) -> bool:
        """Whether the keyring has ``version`` where it comes from, as far as that can be read again."""
        try:
            return version in self._offered().versions
        except StrongroomError:
            return version in self._root.versions

    def versions(self) -> list[VersionInfo]:
        """Every version that this database ever knew, highest first."""
        stored = self._stored()
        return [
            VersionInfo(
                version=row.version,
                key_id=row.key_id,
                state=self._state_of(row.version, stored),
                is_held=row.version in self._root.versions,
                created_at=row.created_at,
                retired_at=row.retired_at,
            )
            for row in sorted(stored.rows, key=lambda row: -row.version)
        ]

    def _state_of(self, version: int, stored: _Stored) -> VersionState:
        row = next((row for row in stored.rows if row.version == version), None)
        return state_of(
            version,
            known=row is not None,
            writing=self._root.writing_version,
            retired=row is not None and row.retired_at > 0,
        )

    def _facts(self) -> tuple[tuple[KeyCheckRow, ...], str | None, str]:
        def query(connection: Connection) -> tuple[tuple[KeyCheckRow, ...], str | None, str]:
            deployment_id = meta.get(connection, DEPLOYMENT_ID) or ""
            return tuple(key_checks.all(connection)), meta.get(connection, KEY_STATE), deployment_id

        return self._database.read(query)

    def _stored(self) -> _Stored:
        return self._verified(self._root, *self._facts())

    @staticmethod
    def _verified(root: RootKeyring, rows: tuple[KeyCheckRow, ...], text: str | None, deployment_id: str) -> _Stored:
        return _Stored(rows, text, deployment_id, read_state(root, text, rows, deployment_id))

    def _candidate(self, root: RootKeyring, stored: _Stored, promoted: int | None) -> RootKeyring:
        retired = frozenset(row.version for row in stored.rows if row.retired_at)
        if promoted is not None and (promoted in retired or promoted not in root.versions):
            raise Tampered(KEY_STATE)
        for version in sorted(retired & set(root.versions)):
            log.warning(
                "the keyring offers a version that was retired; it reads, and never writes: take it out of the keyring",
                extra={"code": OFFERED_AGAIN, "key": root.key_id(version)},
            )
        return root.changed(promoted=promoted, retired=retired)

    def _check_age(self, root: RootKeyring, state: KeyState) -> None:
        if state.promoted is None:
            return
        promoted = state.promoted
        keys = RecordKeys(root)
        found = self._database.read(lambda c: key_counts.records_above(c, promoted, limit=ABOVE_LOOKED_AT))
        authentic = []
        for row in found:
            table = journal.TABLE if isinstance(row, RunRow) else specs.TABLE
            try:
                keys.check(table, row.columns(), key_version=row.key_version, mac=row.mac)
            except (KeyMissing, Tampered):
                # One row that was changed stops no host; it is found when it is read.
                continue
            authentic.append(row.key_version)
        check_not_older(state, authentic)

    def _write(
        self,
        root: RootKeyring,
        stored: _Stored,
        added: Sequence[KeyCheckRow],
        promoted: int | None,
        *,
        retire: tuple[int, int] | None = None,
    ) -> None:
        """Everything that changes, in one transaction."""
        deployment_id = stored.deployment_id or secrets.token_hex(16)
        state = KeyState(serial=stored.state.serial + 1, promoted=promoted)
        text = state_text(root, state, (*stored.rows, *added), deployment_id)

        def job(connection: Connection) -> None:
            if not stored.deployment_id:
                meta.set(connection, DEPLOYMENT_ID, deployment_id)
            for row in added:
                key_checks.add(connection, row)
            if retire is not None:
                key_checks.retire(connection, retire[0], at=retire[1])
            meta.set(connection, KEY_STATE, text)

        self._database.write(job).result()

    def _become(self, candidate: RootKeyring) -> None:
        self._root.become(candidate)
        self.deployment_id = self.deployment_id or self._facts()[2]
        self._tell()

    def _tell(self) -> None:
        for listener in self.on_change:
            try:
                listener()
            except StrongroomError as error:
                # The keyring has changed; what could not follow says so again when it is used.
                log.warning("a change of the keyring was not taken over", extra={"code": error.code, "why": str(error)})


def _nothing(_connection: Connection) -> None:
    """A job that writes nothing, behind all that were queued before it."""
