"""Mounted workspaces, projects that are not mounted now, and copies that were taken away, as things that are sealed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from strongroom.engine.rotation_check import Looked
from strongroom.engine.workspace_rows import place_text

__all__ = ["HostWorkspaces", "KnownCopy", "MountedThing", "OpenWorkspaces", "known_thing"]


class Store(Protocol):
    """One array of a workspace whose values are sealed."""

    def upgrade(self, entries_max: int) -> int:
        """Seal up to that many entries again under the version that writes; how many."""


class SealedWorkspace(Protocol):
    """A workspace as this job needs it."""

    def arrays(self) -> Sequence[str]:
        """Names of its arrays."""

    def store(self, array_name: str) -> Any:
        """The store of one, with ``upgrade``. Any: a store also knows the types of its values."""


class Opened(Protocol):
    """A mount that is open."""

    @property
    def name(self) -> str:
        """Its name on this host."""

    @property
    def has_password(self) -> bool:
        """Whether its keys are its own."""

    @property
    def workspace(self) -> Any:
        """A ``SealedWorkspace``. Any: a mount says less about it."""

    @property
    def log(self) -> Any:
        """Its log, with ``compact()``. Any: as above."""

    def keys(self) -> Any:
        """Its keys of now, with ``writing_version``. Any: as above."""

    def flush(self) -> None:
        """Return once everything is on disk."""

    def needed(self) -> Mapping[int, int]:
        """How many of its values and of the rows of its log need each key version; 0 is plaintext."""


class OpenWorkspaces(Protocol):
    """The mounts of a host that are open, and what it remembers of others."""

    def opened(self) -> Iterable[Opened]:
        """Every mount that is open."""

    def copies(self) -> "Iterable[KnownCopy]":
        """Projects that are not mounted now and exports, with the counts of the last time that they were seen."""

    def forget(self, name: str) -> bool:
        """Do not count the copy of that name any more; whether there was one."""


@dataclass(slots=True)
class MountedThing:
    """An open workspace: its values, and then the log that still holds them as they were."""

    mount: Opened
    kind: Literal["workspace"] = "workspace"

    @property
    def stays(self) -> str:
        """One with a password is left alone: no version of the host opens it."""
        if not self.mount.has_password:
            return ""
        return f"it has keys of its own: strongroom workspace change-password {self.mount.name}"

    @property
    def name(self) -> str:
        """``workspace`` and the name of its mount."""
        return f"workspace {self.mount.name}"

    def counts(self) -> Mapping[int, int]:
        """Values and rows of the log, by key version."""
        return self.mount.needed()

    def rewrap(self, blobs_max: int) -> int:
        """Seal up to ``blobs_max`` values again."""
        workspace: SealedWorkspace = self.mount.workspace
        for name in workspace.arrays():
            store: Store = workspace.store(name)
            number = store.upgrade(blobs_max)
            if number:
                return number
        return 0

    def look(self) -> Looked:
        """Open the values and the rows of the log that would be sealed again."""
        looked = Looked()
        for name in self.mount.workspace.arrays():
            opens, closed = self.mount.workspace.store(name).look_at_stale()
            looked.opens += opens
            for key, reading in closed:
                if reading.key_version is not None:  # plaintext stays until somebody adopts it
                    looked.cannot(f"{place_text(name, key)}: {reading.reason}")
        opens, rows = self.mount.log.look_at_rows(but_version=self.mount.keys().writing_version)
        looked.opens += opens
        for row in rows:
            looked.cannot(f"row {row.id}: {row.reason}")
        return looked

    def finish(self) -> None:
        """Write the log anew: its rows hold the old values, and are sealed under old versions themselves."""
        self.mount.flush()
        self.mount.log.compact()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCopy:
    """A project that is not mounted now, or an export. ``seen_at`` is when it was counted, Unix milliseconds."""

    name: str
    kind: Literal["project", "backup"]
    counts: Mapping[int, int] = field(default_factory=dict)
    seen_at: int = 0


@dataclass(frozen=True, slots=True)
class _KnownThing:
    """A copy as a thing that this job cannot reach."""

    copy: KnownCopy
    kind: Literal["project", "backup"]
    stays: str

    @property
    def name(self) -> str:
        """Its kind and its name."""
        return f"{self.kind} {self.copy.name}"

    def counts(self) -> Mapping[int, int]:
        """As it was when it was last seen."""
        return self.copy.counts

    def rewrap(self, _blobs_max: int) -> int:
        """Nothing: it is not here."""
        return 0

    def finish(self) -> None:
        """Nothing to let go of."""


def known_thing(copy: KnownCopy) -> _KnownThing:
    """``copy`` as a sealed thing."""
    stays = (
        "it is not mounted: mount it and rewrap, or forget it with --forget NAME"
        if copy.kind == "project"
        else "it is a copy under an old key: export anew and delete it, or forget it with --forget FILE"
    )
    return _KnownThing(copy, copy.kind, stays)


class Project(Protocol):
    """A workspace that is not open now, as it was when it was last seen."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def counts(self) -> Mapping[int, int]:
        """Its blobs by key version."""

    @property
    def seen_at(self) -> int:
        """When, Unix milliseconds."""


class Mounts(Protocol):
    """The mounts of a host."""

    def opened(self) -> Iterable[Opened]:
        """Those that are open."""

    def projects(self) -> Iterable[Project]:
        """What is not open and was once."""

    def forget(self, name: str) -> bool:
        """Do not count the project of that name any more; whether there was one."""


class Export(Protocol):
    """A sealed copy of a workspace in a file."""

    @property
    def path(self) -> Path:
        """Where it was put."""

    @property
    def key_versions(self) -> Sequence[int]:
        """The versions that it needs."""

    @property
    def made_ms(self) -> int:
        """When, Unix milliseconds."""


class Exports(Protocol):
    """The copies that were put somewhere."""

    def present(self) -> Iterable[Export]:
        """Those that are still there."""


class HostWorkspaces:
    """``OpenWorkspaces`` of a host.

    ``is_own`` says whether its workspaces are sealed with its own root: those of a session elsewhere have other keys,
    whose versions say nothing about this one's.
    """

    def __init__(self, mounts: Mounts, exports: Exports, *, is_own: Callable[[], bool] = lambda: True) -> None:
        self._mounts = mounts
        self._exports = exports
        self._is_own = is_own

    def opened(self) -> list[Opened]:
        """Every mount that is open and has keys of this host."""
        return list(self._mounts.opened()) if self._is_own() else []

    def copies(self) -> list[KnownCopy]:
        """Projects that are not open, then exports."""
        projects = [
            KnownCopy(name=each.name, kind="project", counts=each.counts, seen_at=each.seen_at)
            for each in self._mounts.projects()
        ]
        exports = [
            KnownCopy(
                name=str(each.path),
                kind="backup",
                counts=dict.fromkeys(each.key_versions, 1),
                seen_at=each.made_ms,
            )
            for each in self._exports.present()
        ]
        return projects + exports

    def forget(self, name: str) -> bool:
        """Leave a project out of account from now on. An export counts until its file is gone."""
        return self._mounts.forget(name)
