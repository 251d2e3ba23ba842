"""Sizes for people: decimal, as limits are."""

__all__ = ["size"]


def size(count: int) -> str:
    """``1.2 KB`` and so on for a number of bytes."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
