"""What is known of a mount, whether it is open or not: values for people and for programs, without any key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["MountInfo", "MountState", "MountStatus", "UnreadableEntry"]

MountState = Literal["open", "failed", "signed-out"]


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
class UnreadableEntry:
    """An entry that the keys of this host do not open. ``key_version`` is ``None`` where it names none."""

    array: str
    key: str
    reason: str
    key_version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MountStatus:
    """How one open mount stands.

    ``entries`` counts by array, ``values_by_version`` and ``rows_by_version`` by key version (0 is plaintext).
    ``unreadable`` has at most ``UNREADABLE_SHOWN_MAX`` of the ``unreadable_count`` entries. ``sync`` is ``off``,
    ``connecting``, ``connected``, ``offline`` or ``refused``. ``views`` are the plaintext views that are kept.
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
