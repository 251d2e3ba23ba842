"""``OpenedMount``: one mount that is open, with what it takes to use it, count it and close it."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from strongroom.crypto.keyring_entry import Keyring
from strongroom.errors import LimitExceeded, StrongroomError
from strongroom.keyring.workspace_keys import WorkspaceKeys
from strongroom.plugin.mounts import Collaboration, Mount
from strongroom.telemetry import logs
from strongroom.workspace.mount.faults import gone
from strongroom.workspace.mount.info import UNREADABLE_SHOWN_MAX, MountStatus
from strongroom.workspace.mount.infrastructure import Built
from strongroom.workspace.mount.lease import Lease
from strongroom.workspace.mount.project_file import MountEntry
from strongroom.workspace.mount.side_by_side import side_by_side
from strongroom.workspace.persistence.sealed_log import SealedLog
from strongroom.workspace.workspace import Workspace

__all__ = ["OpenedMount"]

_WAL: Final = "-wal"
END_S_MAX: Final = 10.0
"""For a provider's own end; the log is closed by the host after it."""
log = logs.get("workspace.mount")


@dataclass(slots=True, kw_only=True, eq=False)
class OpenedMount:
    """One mount that is open. Write, then ``flush()``, then answer."""

    entry: MountEntry
    project_dir: Path
    owner_id: str
    built: Built = field(repr=False)
    mount: Mount = field(repr=False)
    lease: Lease = field(repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _disposed: bool = False
    is_behind: bool = False
    """Whether it could not take the keyring of now: its workspace still writes under the version before."""

    @property
    def name(self) -> str:
        """Unique on this host."""
        return self.entry.name

    @property
    def has_password(self) -> bool:
        """Whether its keys come from a password, and not from the session."""
        return self.entry.has_password

    @property
    def workspace(self) -> Workspace:
        """The workspace."""
        return self.built.workspace

    @property
    def log(self) -> SealedLog:
        """Its log."""
        return self.built.log

    @property
    def collaboration(self) -> Collaboration | None:
        """The connection with others: the provider's own, or the one of the project's file."""
        return self.mount.collaboration or self.built.collaboration

    def keys(self) -> WorkspaceKeys:
        """The keys of now. Raises ``Unavailable`` (``[<mount>-daemon] auth signed-out.``)."""
        return self.built.keys()

    def take_keyring(self, of_owner: Callable[[str], Keyring]) -> None:
        """Have the workspace use the keyring of now. Raises ``Unavailable``, ``StorageFault``; it is behind then."""
        self.is_behind = True
        self.built.keys()  # and with that the version is written down
        self.workspace.reactivate(of_owner(self.owner_id))
        self.is_behind = False

    def flush(self) -> None:
        """Return once all that was written before is on disk.

        Raises ``StorageFault``; ``Unavailable`` when the owner is signed out, and when the project is not where it was.
        """
        self.check_in_place()
        self.built.flush()

    def check_in_place(self) -> None:
        """Raises ``Unavailable`` when the project was moved, deleted or replaced: what is written there has no name."""
        if not self.lease.is_in_place():
            raise gone(self.name, str(self.project_dir))

    def check_room(self, *, value_bytes: int, value_bytes_max: int, entries_max: int | None) -> None:
        """Raises ``LimitExceeded`` for a value that is too large, and for one entry more than ``entries_max``."""
        if value_bytes > value_bytes_max:
            raise LimitExceeded(
                "SR-MOUNT-020",
                f"a value of {value_bytes} bytes is too large",
                why=f"the limit is {value_bytes_max} bytes of JSON: it is sealed, merged and sent as a whole",
                fix="keep large things in files and their names in the workspace",
                size=value_bytes,
                limit=value_bytes_max,
                setting="workspaces.value_bytes_max",
            )
        if entries_max is None:
            return
        entries = sum(self.entries().values())
        if entries >= entries_max:
            raise LimitExceeded(
                "SR-MOUNT-021",
                f"the workspace {self.name} has {entries} entries",
                why=f"the limit is {entries_max}: each is kept in memory",
                fix="delete some, or raise workspaces.entries_max",
                size=entries + 1,
                limit=entries_max,
                setting="workspaces.entries_max",
            )

    def entries(self) -> Mapping[str, int]:
        """Entries by array."""
        return {array: self.workspace.store(array).size for array in self.workspace.arrays()}

    def needed(self) -> Mapping[int, int]:
        """How many values and rows need each key version of the session; 0 is plaintext. Of one with a password: none.

        The writing version is among them with at least one: what still waits for the disk is sealed under it.
        """
        if self.has_password:
            return {}
        counts = Counter(self._values()) + Counter(self.log.rows_by_version())
        writing = self.built.keys.last_writing_version
        counts[writing] = max(counts[writing], 1)
        return dict(counts)

    def status(self) -> MountStatus:
        """How it stands now. Counting what is unreadable opens every value."""
        workspace, entry = self.workspace, self.entry
        with workspace.document.lock:
            unreadable = workspace.unreadable()
            values = self._values()
            entries = self.entries()
        collaboration = self.collaboration
        return MountStatus(
            name=self.name,
            project_dir=self.project_dir,
            workspace_id=workspace.id,
            provider=entry.provider,
            owner_id=self.owner_id,
            key_version=self.built.keys.last_writing_version,
            strict=entry.strict,
            write_format=entry.write_format,
            entries=entries,
            unreadable_count=len(unreadable),
            unreadable=tuple(unreadable[:UNREADABLE_SHOWN_MAX]),
            values_by_version=values,
            rows_by_version=dict(self.log.rows_by_version()),
            log_bytes=self._log_bytes(),
            sync=collaboration.state if collaboration is not None else "off",
            sync_problem=collaboration.problem if collaboration is not None else "",
            views=entry.materialize,
            keys=entry.keys,
        )

    def dispose(self) -> None:
        """Close it. Twice is fine: whoever comes second, and may let go of the project then, finds it closed.

        Raises ``StorageFault`` when something could not be written; everything is closed all the same.
        """
        with self._lock:
            if not self._disposed:
                self._disposed = True
                self._dispose()

    def _dispose(self) -> None:
        failed: StrongroomError | None = None
        if self.mount is not self.built:
            (ended,) = side_by_side([self.mount.dispose], timeout_s=END_S_MAX, name="unmount", late=lambda _: None)
            if isinstance(ended, StrongroomError):
                failed = ended  # it may have closed what the host built, which could not be written
            elif isinstance(ended, BaseException):
                # The provider's own end; what the host built for it is closed below.
                fault = type(ended).__name__
                log.error("the provider of a mount did not end", extra={"mount": self.name, "fault": fault})
        self.built.dispose()
        if failed is not None:
            raise failed

    def _values(self) -> Mapping[int, int]:
        total: Counter[int] = Counter()
        for counts in self.workspace.versions().values():
            total += counts
        return dict(total)

    def _log_bytes(self) -> int:
        size = 0
        for path in (self.built.log_path, self.built.log_path.with_name(self.built.log_path.name + _WAL)):
            try:
                size += path.stat().st_size
            except OSError:
                continue
        return size
