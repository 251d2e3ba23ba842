"""What sealing again asks of a thing that is sealed."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

__all__ = ["NamesSkipped", "SealedAlong", "SealedThing"]


class SealedThing(Protocol):
    """Something that is sealed under versions of the root: a table, a workspace, a copy that was taken away."""

    @property
    def name(self) -> str:
        """What people call it, such as ``workspace notes`` or ``table runs``."""

    @property
    def kind(self) -> Literal["table", "workspace", "project", "backup"]:
        """What it is. Projects are not mounted now, and backups are not here; both are known by their last counts."""

    @property
    def stays(self) -> str:
        """Why its blobs keep their version, and what to do; empty for what this job seals again."""

    def counts(self) -> Mapping[int, int]:
        """Blobs by key version; 0 is what is not sealed, or names no version."""

    def rewrap(self, blobs_max: int) -> int:
        """Seal up to ``blobs_max`` again under the version that writes; how many. 0 when there is nothing left."""

    def finish(self) -> None:
        """After the last batch: let go of what still holds old ciphertext, such as a log."""


@runtime_checkable
class SealedAlong(Protocol):
    """A thing that is sealed again with another one, which stands before it."""

    goes_with: str


@runtime_checkable
class NamesSkipped(Protocol):
    """A thing that can name what it left as it is."""

    def skipped(self) -> Sequence[str]:
        """What and why, a bounded number."""
