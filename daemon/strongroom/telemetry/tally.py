"""Counters of what operators must hear about, since this host started.

They are `strongroom_insecure_release_total` and `strongroom_attestation_refusals_total{code}`. Labels are bounded: only
public codes count by name.
"""

import re
import threading
from collections.abc import Mapping
from typing import Final

__all__ = ["OTHER", "Tally"]

CODES_MAX: Final = 64
"""More codes than there are, so that no plugin can invent labels without end."""
OTHER: Final = "other"
_CODE: Final = re.compile(r"SR-ATTEST-\d{3}")


class Tally:
    """Counts. Safe to use from several threads."""

    def __init__(self) -> None:
        self._counting = threading.Lock()
        self._insecure_releases = 0
        self._refusals: dict[str, int] = {}

    def count_insecure_release(self) -> None:
        """One more confidential execution without hardware protection."""
        with self._counting:
            self._insecure_releases += 1

    def count_refusal(self, code: str) -> None:
        """One more refusal with this code."""
        with self._counting:
            is_known = code in self._refusals or len(self._refusals) < CODES_MAX
            label = code if _CODE.fullmatch(code) and is_known else OTHER
            self._refusals[label] = self._refusals.get(label, 0) + 1

    @property
    def insecure_releases(self) -> int:
        """How many confidential executions had no hardware protection."""
        with self._counting:
            return self._insecure_releases

    @property
    def refusals(self) -> Mapping[str, int]:
        """How many refusals there were of each code."""
        with self._counting:
            return dict(self._refusals)
