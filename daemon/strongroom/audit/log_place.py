"""Where an audit log lies: one file that grows, those before it by number, and what stands beside them.

``audit.jsonl`` grows. Once it is large it becomes ``audit-000001.jsonl``, and a new one begins.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["LogPlace", "sync_names"]

DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class LogPlace:
    """The place of one log, by the path of the file that grows."""

    path: Path

    @property
    def reserve(self) -> Path:
        """The file that holds room for records of a full disk."""
        return self.path.with_name(f"{self.path.stem}.reserve")

    @property
    def torn(self) -> Path:
        """Where the beginnings of lines are put that a crash cut off."""
        return self.path.with_name(f"{self.path.stem}.torn")

    def before(self) -> list[Path]:
        """The files that grow no more, the oldest first."""
        pattern = re.compile(f"{re.escape(self.path.stem)}-([0-9]{{{DIGITS},12}}){re.escape(self.path.suffix)}")
        found = [
            (int(match[1]), path) for path in self.path.parent.iterdir() if (match := pattern.fullmatch(path.name))
        ]
        return [path for _, path in sorted(found)]

    def files(self) -> list[Path]:
        """Every file of the log that is there, the oldest first."""
        return [*self.before(), *([self.path] if self.path.exists() else [])]

    def next_before(self) -> Path:
        """The name that the growing file gets once it grows no more."""
        known = self.before()
        last = int(known[-1].stem.rsplit("-", 1)[1]) if known else 0
        return self.path.with_name(f"{self.path.stem}-{last + 1:0{DIGITS}d}{self.path.suffix}")


def sync_names(directory: Path) -> None:
    """Make sure that the names in ``directory`` are on the disk."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
