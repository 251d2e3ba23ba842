"""Which modules a runner has loaded. Both ends count, by the same rule, so that neither has to ask.

What is loaded is mapped, and what of it was executed counts as memory of the runner; loading it again takes a
millisecond.
"""

from collections import OrderedDict
from typing import Final

__all__ = ["LoadedModules"]

MODULES_MAX: Final = 8
BYTES_MAX: Final = 32_000_000
"""Native code that a runner keeps mapped, beside that of its current run."""


class LoadedModules:
    """Keys and sizes of loaded modules, the most recently used last."""

    def __init__(self) -> None:
        self._sizes: OrderedDict[str, int] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        """True when ``key`` is loaded."""
        return key in self._sizes

    def use(self, key: str, size: int | None = None) -> list[str]:
        """``key`` is used now, and loaded for it when ``size`` is given; the keys that are dropped in its favour."""
        if size is not None:
            self._sizes[key] = size
        self._sizes.move_to_end(key)
        dropped = []
        while len(self._sizes) > 1 and (len(self._sizes) > MODULES_MAX or sum(self._sizes.values()) > BYTES_MAX):
            dropped.append(self._sizes.popitem(last=False)[0])
        return dropped
