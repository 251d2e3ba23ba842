"""``WorkspaceUpkeep``: verifying, compacting, migrating, copying and merging mounted workspaces."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from strongroom.crypto.keys import Key
from strongroom.crypto.password_key import archived_salt, key_of_password
from strongroom.engine.workspace_discard import Discardable, discard, discardable
from strongroom.engine.workspace_rows import item_of, place_text
from strongroom.errors import InvalidInput, LimitExceeded
from strongroom.plugin.workspace_access import WorkspaceItem
from strongroom.workspace.migration import migrate
from strongroom.workspace.mount.copies import Copies
from strongroom.workspace.mount.mounts import Mounts
from strongroom.workspace.persistence.copy import COPY_BYTES_MAX, open_copy, seal_copy
from strongroom.workspace.persistence.sealed_log import Compaction
from strongroom.workspace.workspace import Workspace
from strongroom.workspace.yjs.limits import UpdateLimits

__all__ = ["Archived", "Merged", "Migrated", "Verified", "WorkspaceUpkeep"]

IMPORT_LIMITS: Final = UpdateLimits(
    bytes_max=COPY_BYTES_MAX,
    v1_bytes_max=COPY_BYTES_MAX,
    structs_max=100_000_000,
    clients_max=1_000_000,
    delete_ranges_max=100_000_000,
)
"""A copy is authentic, so these only keep its parser honest: a workspace that this host held is within them."""
IMPORTED: Final = "import"
"""Origin of what a merge changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found. ``unreadable`` keys have their table in front; ``entries_by_key_version`` has 0 for plaintext."""

    readable: int
    unreadable: tuple[WorkspaceItem, ...]
    rows: int
    rows_carried: tuple[str, ...]
    rows_waiting: int
    log_agrees: bool
    entries_by_key_version: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """What opens values of March 2026: the secret of a deployment, a password with its user, both, or nothing."""

    secret: bytes = field(default=b"", repr=False)
    password: str = field(default="", repr=False)
    user_id: str = ""

    def keys(self, workspace_id: str) -> list[Key]:
        """The keys to try. Raises ``InvalidInput``, ``LimitExceeded``."""
        if bool(self.password) != bool(self.user_id):
            raise InvalidInput(
                "SR-WS-097",
                "an archived password and its user id are given together",
                why="the salt of that time was made from the ids of user and workspace",
                fix="give both, or neither",
                field="archived_user_id",
            )
        keys = [Key.from_secret(self.secret)] if self.secret else []
        if self.password:
            keys.append(key_of_password(self.password, archived_salt(self.user_id, workspace_id)))
        return keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """How many entries, by what they were; ``unreadable`` ones stay as they are."""

    plaintext: int
    archived: int
    unreadable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Entries that are new or changed, and entries of the workspace that cannot be read afterwards."""

    entries_changed: int
    unreadable: int


class WorkspaceUpkeep:
    """What operators do with open mounts. Safe for any thread."""

    def __init__(self, mounts: Mounts, copies: Copies, *, now_ms: Callable[[], int]) -> None:
        """``copies`` remembers where copies were put, so that no key is retired that they need."""
        self._mounts = mounts
        self._copies = copies
        self._now_ms = now_ms

    def verify(self, name: str) -> Verified:
        """Open every value and every row of the log, and compare the log with the document."""
        opened = self._mounts.get(name)
        opened.flush()
        workspace = opened.workspace
        unreadable: list[WorkspaceItem] = []
        versions: Counter[int] = Counter()
        readable = 0
        for array in workspace.arrays():
            # One array at a time holds the lock: a workspace goes on while it is verified.
            with workspace.document.lock:
                for entry in workspace.raw_store(array).entries():
                    item = item_of(workspace, array, entry)
                    versions[item.key_version] += 1
                    if item.json is None:
                        shown = place_text(array, item.key)
                        unreadable.append(
                            WorkspaceItem(
                                key=shown,
                                unreadable=item.unreadable,
                                time_ms=item.time_ms,
                                key_version=item.key_version,
                            )
                        )
                    else:
                        readable += 1
        log = opened.log.verify()
        return Verified(
            readable=readable,
            unreadable=tuple(unreadable),
            rows=log.rows,
            rows_carried=tuple(f"row {row.id}: {row.reason}" for row in log.carried),
            rows_waiting=len(log.waiting),
            log_agrees=not log.problem,
            entries_by_key_version=versions,
        )

    def discardable(self, name: str, *, rows: bool, entries: bool) -> Discardable:
        """What cannot be opened: rows of the log, entries, or both."""
        return discardable(self._mounts.get(name), rows=rows, entries=entries)

    def discard(self, name: str, *, rows: bool, entries: bool, even_unheld: bool, listing: str) -> Discardable:
        """Give up what ``discardable`` listed, for ever."""
        opened = self._mounts.get(name)
        return discard(opened, rows=rows, entries=entries, even_unheld=even_unheld, listing=listing)

    def compact(self, name: str) -> Compaction:
        """Replace the rows of the log by one."""
        return self._mounts.get(name).log.compact()

    def migrate(self, name: str, archived: Archived | None = None, *, dry_run: bool) -> Migrated:
        """Seal plaintext and archived values under the writing key; on disk when this returns.

        Raises ``InvalidInput`` for a password without the user that it is of.
        """
        opened = self._mounts.get(name)
        done = migrate(opened.workspace, (archived or Archived()).keys(opened.workspace.id), dry_run=dry_run)
        opened.flush()
        return Migrated(plaintext=done.plaintext, archived=done.archived, unreadable=len(done.unreadable))

    def export(self, name: str, path: str) -> bytes:
        """A sealed copy. It is remembered at ``path``, where one is given."""
        opened = self._mounts.get(name)
        workspace = opened.workspace
        with workspace.document.lock:
            state = workspace.document.update_since()
            values = [version for counts in workspace.versions().values() for version in counts]
        keys = opened.keys()
        if path and not opened.has_password:
            # Before the copy exists: one that nobody knows of could lose its key.
            self._copies.add(Path(path), name, {keys.writing_version, *values} - {0}, self._now_ms())
        return seal_copy(keys, opened.owner_id, workspace.id, values, state)

    @staticmethod
    def collected(parts: Iterable[bytes]) -> bytes:
        """The whole of ``parts``. Raises ``LimitExceeded``."""
        whole = bytearray()
        for part in parts:
            whole += part
            if len(whole) > COPY_BYTES_MAX:
                raise LimitExceeded(
                    "SR-WS-102",
                    f"the copy has more than {COPY_BYTES_MAX} bytes",
                    why="merging takes twice that in memory",
                    fix="see whether it is the file that was meant",
                    size=len(whole),
                    limit=COPY_BYTES_MAX,
                )
        return bytes(whole)

    def merge(self, name: str, untrusted_copy: bytes) -> Merged:
        """Merge a sealed copy; on disk when this returns. Raises before anything is changed."""
        opened = self._mounts.get(name)
        workspace = opened.workspace
        state = open_copy(opened.keys(), opened.owner_id, workspace.id, untrusted_copy)
        with workspace.document.lock:
            before = _times(workspace)
            workspace.document.apply_untrusted(state, origin=IMPORTED, limits=IMPORT_LIMITS)
            after = _times(workspace)
            unreadable = len(workspace.unreadable())
        opened.flush()
        changed = sum(1 for place, value in after.items() if before.get(place) != value)
        return Merged(entries_changed=changed, unreadable=unreadable)


def _times(workspace: Workspace) -> dict[tuple[str, str], tuple[int, object]]:
    """Every entry by its place, with what tells one state of it from another."""
    return {
        (array, entry.key): (entry.ts, entry.val)
        for array in workspace.arrays()
        for entry in workspace.raw_store(array).entries()
    }
