"""What is known of a mount, whether it is open or not: values for people and for programs, without any key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from strongroom.errors import StrongroomError
from strongroom.workspace.mount.known import Known
from strongroom.workspace.mount.passwords import LOCKED
from strongroom.workspace.mount.project_file import SESSION_KEYS
from strongroom.workspace.workspace import UnreadableEntry

__all__ = ["UNREADABLE_SHOWN_MAX", "KnownProject", "MountInfo", "MountState", "MountStatus", "info_of"]

MountState = Literal["open", "failed", "locked", "signed-out"]
UNREADABLE_SHOWN_MAX: Final = 1000
"""Of one status; the count says how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MountInfo:
    """A mount that this host remembers. ``problem`` says why it is not open, what to do included; ``code`` is its code.

    ``workspace_id``, ``provider`` and ``owner_id`` are those of the last time that it was open.
    """

    name: str
    project_dir: Path
    state: MountState
    workspace_id: str = ""
    provider: str = ""
    owner_id: str = ""
    problem: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MountStatus:
    """How one open mount stands.

    ``entries`` counts by array, ``values_by_version`` and ``rows_by_version`` by key version (0 is plaintext).
    ``unreadable`` has at most ``UNREADABLE_SHOWN_MAX`` of the ``unreadable_count`` entries. ``sync`` is ``off``,
    ``connecting``, ``connected``, ``offline`` or ``refused``. ``views`` are the plaintext views that are kept.
    ``keys`` is ``session`` or ``password``.
    """

    name: str
    project_dir: Path
    workspace_id: str
    provider: str
    owner_id: str
    key_version: int
    strict: bool
    write_format: int
    entries: Mapping[str, int] = field(default_factory=dict)
    unreadable_count: int = 0
    unreadable: tuple[UnreadableEntry, ...] = ()
    values_by_version: Mapping[int, int] = field(default_factory=dict)
    rows_by_version: Mapping[int, int] = field(default_factory=dict)
    log_bytes: int = 0
    sync: str = "off"
    sync_problem: str = ""
    views: tuple[str, ...] = ()
    keys: str = SESSION_KEYS


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownProject:
    """A workspace that is not open now, as it was when it was last seen: which key versions it needs.

    ``name`` is its mount's, with directory, owner and workspace where several have it. ``seen_at`` is Unix time in ms.
    """

    name: str
    mount: str
    owner_id: str
    workspace_id: str
    project_dir: Path
    counts: Mapping[int, int]
    seen_at: int
    kind: Literal["project"] = "project"


def info_of(known: Known, state: MountState, error: StrongroomError | None) -> MountInfo:
    """What is remembered of a mount, with why it is not open."""
    return MountInfo(
        name=known.name,
        project_dir=known.project_dir,
        state="locked" if error is not None and error.code == LOCKED else state,
        workspace_id=known.workspace_id,
        provider=known.provider,
        owner_id=known.owner_id,
        problem=error.with_fix() if error is not None else "",
        code=error.code if error is not None else "",
    )
