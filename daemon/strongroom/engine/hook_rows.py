"""Rows of hooks: made, found by token and authenticated.

The digest of a token, and the MAC of a row, are under the key version of the run that the hook is of; a run that has
ended has no tokens left, so its rows are sealed again with it. Who looks for a token does not know the version and
tries each that this host holds.
"""

from dataclasses import replace
from typing import Final

from ulid import ULID

from strongroom.errors import KeyMissing, Tampered, WrongState
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import HOOK_TOKENS
from strongroom.storage import hooks as rows
from strongroom.storage.database import Connection
from strongroom.storage.hooks import HookRow
from strongroom.storage.runs import RunRow

__all__ = ["HOOK_PREFIX", "HookRows", "new_hook_id"]

TABLE: Final = "hooks"
HOOK_PREFIX: Final = "hook_"


class HookRows:
    """What stands in the table, under the keys of this host."""

    def __init__(self, keys: RecordKeys) -> None:
        self._keys = keys

    def made(self, hook_id: str, header: RunRow, token: str, now_ms: int) -> HookRow:
        """The row of a hook that the run of ``header`` makes."""
        version = header.key_version
        row = HookRow(
            hook_id=hook_id,
            run_id=header.run_id,
            token_digest=self._digest(token, version),
            created_at=now_ms,
            disposed_at=0,
            key_version=version,
        )
        return self.authenticated(row)

    def authenticated(self, row: HookRow) -> HookRow:
        """``row`` with the MAC of its columns."""
        return replace(row, mac=self._keys.mac(TABLE, row.columns(), key_version=row.key_version))

    def verified(self, row: HookRow) -> HookRow:
        """``row`` when its MAC is right. Raises ``Tampered``, ``KeyMissing``."""
        self._keys.check(TABLE, row.columns(), key_version=row.key_version, mac=row.mac)
        return row

    def is_authentic(self, row: HookRow) -> bool:
        """Whether it is."""
        try:
            self.verified(row)
        except (Tampered, KeyMissing):
            return False
        return True

    def find(self, connection: Connection, token: str) -> HookRow | None:
        """The hook that has this token. Raises ``Tampered`` for a row that somebody else wrote."""
        found = rows.find(connection, [self._digest(token, version) for version in self._keys.versions])
        return self.verified(found) if found is not None else None

    def add(self, connection: Connection, row: HookRow, token: str) -> None:
        """Add a hook with ``token``. Raises ``WrongState`` when another one has it, under whatever version."""
        if self.find(connection, token) is not None:
            raise WrongState("SR-HOOK-009", "the token of a hook was taken meanwhile", hook_id=row.hook_id)
        rows.insert(connection, row)

    def disposed(self, row: HookRow, now_ms: int) -> HookRow:
        """``row`` once the hook is disposed of: its token is free."""
        return self.authenticated(replace(row, token_digest=None, disposed_at=now_ms))

    def dispose(self, connection: Connection, hook_id: str, now_ms: int) -> None:
        """Free the token of one hook. A row that is not authentic stays as it is, and is told to be so."""
        row = rows.get(connection, hook_id)
        if row is not None and not row.disposed_at and self.is_authentic(row):
            rows.replace(connection, self.disposed(row, now_ms))

    def dispose_all(self, connection: Connection, run_id: str, now_ms: int) -> None:
        """Free the tokens of all hooks of a run."""
        for row in rows.live(connection, run_id):
            if self.is_authentic(row):
                rows.replace(connection, self.disposed(row, now_ms))

    def _digest(self, token: str, version: int) -> bytes:
        return self._keys.fingerprint(HOOK_TOKENS, token.encode(), key_version=version)


def new_hook_id() -> str:
    """A fresh id for now."""
    return f"{HOOK_PREFIX}{ULID()}"
