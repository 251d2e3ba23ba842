"""What a sealed process must still be able to do beyond what every runner does: named, and as narrow as it goes."""

from dataclasses import dataclass
from typing import Final

__all__ = ["NOTHING", "Needs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """``ioctls`` are pairs of an open descriptor and one request number. ``removes_in`` is the descriptor of a
    directory whose empty directories may be removed."""

    ioctls: frozenset[tuple[int, int]] = frozenset()
    removes_in: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """For reports, sorted: ``ioctl``, ``rmdir``."""
        return (*(("ioctl",) if self.ioctls else ()), *(("rmdir",) if self.removes_in is not None else ()))


NOTHING: Final = Needs()
