"""Where sealed copies of workspaces were put, and which key versions they need.

A copy that was deleted or moved away no longer counts: a host cannot know where it went. The list names files and
versions, nothing that is secret; losing it loses a warning and no data, but it is written like data all the same.
"""

import errno
import json
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from strongroom.crypto.key_files import write_private_file
from strongroom.errors import StorageFault

__all__ = ["COPIES_MAX", "Copies", "Copy"]

COPIES_MAX: Final = 10_000
"""Beyond it the oldest is forgotten: whoever makes that many copies keeps a list of them elsewhere."""
FILE_BYTES_MAX: Final = 64_000_000
_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One copy. ``made_ms`` is Unix time."""

    path: Path
    mount: str
    key_versions: tuple[int, ...]
    made_ms: int


class Copies:
    """The list of copies, in the file at ``path``. Safe for any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def add(self, path: Path, mount: str, key_versions: Iterable[int], made_ms: int) -> None:
        """Remember a copy; it is on disk when this returns. Raises ``StorageFault``."""
        copy = Copy(path=path, mount=mount, key_versions=tuple(sorted(key_versions, reverse=True)), made_ms=made_ms)
        with self._lock:
            kept = [each for each in self._read() if each.path != path and _is_there(each.path)]
            self._write([*kept, copy][-COPIES_MAX:])

    def present(self) -> list[Copy]:
        """The copies that are still where they were put."""
        with self._lock:
            return [copy for copy in self._read() if _is_there(copy.path)]

    def by_version(self) -> Counter[int]:
        """How many copies that are still there need each key version."""
        return Counter(version for copy in self.present() for version in copy.key_versions)

    def _read(self) -> list[Copy]:
        try:
            with self._path.open("rb") as file:
                members = json.loads(file.read(FILE_BYTES_MAX).decode())
            return [_copy(each) for each in members["copies"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise StorageFault(
                "SR-MOUNT-060",
                f"the list of copies at {self._path} cannot be read",
                why=type(error).__name__,
                fix="restore it, or move it away: `keys status` then knows of no copies",
            ) from None

    def _write(self, copies: list[Copy]) -> None:
        members = [
            {
                "path": str(copy.path),
                "mount": copy.mount,
                "key_versions": list(copy.key_versions),
                "made_ms": copy.made_ms,
            }
            for copy in copies
        ]
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new.unlink(missing_ok=True)
            write_private_file(new, json.dumps({"copies": members}, indent=1).encode())
            new.replace(self._path)
        except OSError as error:
            raise StorageFault(
                "SR-MOUNT-061",
                "the list of copies cannot be written",
                why=error.strerror or type(error).__name__,
                fix="make room, or see who may write to the state directory; no copy was made",
            ) from error


def _is_there(path: Path) -> bool:
    """Whether a copy lies at ``path``. One in a directory that this host may not look into counts: it may be there."""
    try:
        path.stat()
    except OSError as error:
        return error.errno not in _NOT_THERE
    except ValueError:
        return False  # no name of a file
    return True


def _copy(members: Any) -> Copy:  # Any: JSON
    versions = members["key_versions"]
    if not isinstance(versions, list) or not all(type(each) is int for each in versions):
        raise ValueError("key_versions")
    return Copy(
        path=Path(members["path"]),
        mount=str(members["mount"]),
        key_versions=tuple(versions),
        made_ms=int(members["made_ms"]),
    )
