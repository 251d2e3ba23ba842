"""Cuts the secrets of a simulation out of everything that it shows, since an author shares what was shown."""

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["Hidden"]

MASK: Final = "***"


class Hidden:
    """Knows the values that were given. ``repr`` shows none of them."""

    def __init__(self, secrets: Mapping[tuple[str, str], str]) -> None:
        self._values = {name: value for name, value in secrets.items() if value}
        spellings = {spelling for value in self._values.values() for spelling in _spellings(value)}
        # The longest first, so that a secret that begins like another one is not shown in part.
        words = sorted(map(re.escape, spellings), key=len, reverse=True)
        self._pattern = re.compile("|".join(words)) if words else None

    def text(self, text: str) -> str:
        """``text`` with ``***`` where a secret stood, as it is, in hex or in base64."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def value(self, value: Any) -> Any:  # Any: JSON
        """The same for each text in a JSON value, keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value

    def found_in(self, text: str) -> list[str]:
        """Names of the secrets whose value stands in ``text``, as namespace/key."""
        found = (name for name, value in self._values.items() if any(s in text for s in _spellings(value)))
        return ["/".join(name) for name in sorted(found)]


def _spellings(value: str) -> set[str]:
    raw = value.encode()
    return {value, raw.hex(), base64.b64encode(raw).decode()}
