"""What this host remembers of its mounts across restarts: which to open again, and which keys the others still need.

It names projects, owners and key versions, and nothing that is secret. The key versions of a workspace are written down
before anything can be sealed under a new one, so that what is remembered is never less than what is on disk.
"""

import json
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from strongroom.crypto.key_files import read_private_file, write_private_file
from strongroom.errors import LimitExceeded, StorageFault

__all__ = ["Known", "KnownFile", "now_ms"]

KNOWN_MAX: Final = 4_096
"""Projects on shelves; each is a line in `keys status`."""
FILE_BYTES_MAX: Final = 16_777_216
VERSION: Final = 1
KEY_VERSION_MAX: Final = 255


def now_ms() -> int:
    """Unix time."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One mount. ``mounted`` ones are opened at every start; ``own`` ones are sealed with keys of this host's own
    keyring, and not with those of a session's server, whose versions are others. ``counts`` are blobs by key version
    when it was last counted, at ``seen_at``; versions that wrote since are among them with at least one."""

    name: str
    project_dir: Path
    mounted: bool
    own: bool = True
    owner_id: str = ""
    workspace_id: str = ""
    provider: str = ""
    counts: Mapping[int, int] = field(default_factory=dict)
    seen_at: int = 0


class KnownFile:
    """The list, in one file with mode 0600 that is replaced in one step."""

    def __init__(self, path: Path) -> None:
        """Nothing is read yet."""
        self.path = path

    def load(self) -> list[Known]:
        """What is remembered; nothing where there is no file.

        Raises ``Misconfigured`` for one that others can read, ``StorageFault`` for one that is damaged: to go on
        without it would call keys unneeded that a project on a shelf depends on.
        """
        try:
            content = read_private_file(self.path, bytes_max=FILE_BYTES_MAX, code="SR-MOUNT-023", what="list of mounts")
        except FileNotFoundError:
            return []
        try:
            members = json.loads(content.decode())
            if members["version"] != VERSION or len(members["mounts"]) > KNOWN_MAX:
                raise ValueError("version or length")
            return [_known(each) for each in members["mounts"]]
        except (ValueError, KeyError, TypeError, RecursionError, AttributeError) as error:
            raise StorageFault(
                "SR-MOUNT-024",
                f"the list of mounts at {self.path} is damaged",
                why=type(error).__name__,
                fix="restore it; or move it away and mount every project anew, before any key is retired",
            ) from None

    def store(self, known: Iterable[Known]) -> None:
        """Replace the list; it is on disk when this returns. Raises ``StorageFault``, ``LimitExceeded``."""
        mounts = [_members(each) for each in known]
        if len(mounts) > KNOWN_MAX:
            raise LimitExceeded(
                "SR-MOUNT-025",
                f"{len(mounts)} projects are remembered",
                why=f"the limit is {KNOWN_MAX}",
                fix="forget projects that are gone: `strongroom keys status` lists them",
                size=len(mounts),
                limit=KNOWN_MAX,
            )
        beside = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private_file(beside, json.dumps({"version": VERSION, "mounts": mounts}, indent=1).encode())
            beside.replace(self.path)
            directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise StorageFault(
                "SR-MOUNT-026",
                f"the list of mounts at {self.path} cannot be written",
                why=error.strerror or type(error).__name__,
                fix="make room, or see who may write to the state directory",
            ) from error


def _members(known: Known) -> dict[str, object]:
    return {
        "name": known.name,
        "project_dir": str(known.project_dir),
        "mounted": known.mounted,
        "own": known.own,
        "owner_id": known.owner_id,
        "workspace_id": known.workspace_id,
        "provider": known.provider,
        "counts": {str(version): count for version, count in sorted(known.counts.items())},
        "seen_at": known.seen_at,
    }


def _known(members: Any) -> Known:  # Any: JSON
    texts = {key: members[key] for key in ("name", "project_dir", "owner_id", "workspace_id", "provider")}
    flags = {key: members[key] for key in ("mounted", "own")}
    if not all(isinstance(text, str) for text in texts.values()) or not all(
        type(flag) is bool for flag in flags.values()
    ):
        raise TypeError("a member")
    counts = {int(version): count for version, count in members["counts"].items()}
    if not all(0 <= version <= KEY_VERSION_MAX and type(count) is int for version, count in counts.items()):
        raise ValueError("counts")
    if type(members["seen_at"]) is not int:
        raise TypeError("seen_at")
    return Known(
        name=texts["name"],
        project_dir=Path(texts["project_dir"]),
        mounted=flags["mounted"],
        own=flags["own"],
        owner_id=texts["owner_id"],
        workspace_id=texts["workspace_id"],
        provider=texts["provider"],
        counts=counts,
        seen_at=members["seen_at"],
    )
