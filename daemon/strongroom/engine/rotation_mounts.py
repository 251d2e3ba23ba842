"""Mounted workspaces, projects that are not mounted now, and copies that were taken away, as things that are sealed."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

__all__ = ["KnownCopy", "MountedThing", "OpenWorkspaces", "known_thing"]


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


class Status(Protocol):
    """What a mount counts. Key version 0 is plaintext."""

    @property
    def values_by_version(self) -> Mapping[int, int]:
        """Sealed values by key version."""

    @property
    def rows_by_version(self) -> Mapping[int, int]:
        """Sealed rows of its log by key version."""


class Opened(Protocol):
    """A mount that is open."""

    @property
    def name(self) -> str:
        """Its name on this host."""

    @property
    def workspace(self) -> Any:
        """A ``SealedWorkspace``. Any: a mount says less about it."""

    @property
    def log(self) -> Any:
        """Its log, with ``compact()``. Any: as above."""

    def flush(self) -> None:
        """Return once everything is on disk."""

    def status(self) -> Status:
        """How it stands."""


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
    stays: str = ""

    @property
    def name(self) -> str:
        """``workspace`` and the name of its mount."""
        return f"workspace {self.mount.name}"

    def counts(self) -> Mapping[int, int]:
        """Values and rows of the log, by key version."""
        status = self.mount.status()
        return Counter(status.values_by_version) + Counter(status.rows_by_version)

    def rewrap(self, blobs_max: int) -> int:
        """Seal up to ``blobs_max`` values again."""
        workspace: SealedWorkspace = self.mount.workspace
        for name in workspace.arrays():
            store: Store = workspace.store(name)
            number = store.upgrade(blobs_max)
            if number:
                return number
        return 0

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
        "it is not mounted: mount it and rewrap, or forget it"
        if copy.kind == "project"
        else "it is a copy that was taken away: make a new one and forget it"
    )
    return _KnownThing(copy, copy.kind, stays)
