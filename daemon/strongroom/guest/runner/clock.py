"""The clock and the entropy of one guest, derived from what its host gave, so that a replay sees the same bytes.

The clock begins where the host says and moves only with what the guest does: a little at each reading, by the length
of each sleep, and forward to each moment that an answer brings. What really passed does not show.
"""

import hashlib
from typing import Final

__all__ = ["STEP_NS", "Entropy", "GuestClock"]

STEP_NS: Final = 1_000
"""What one reading takes: a guest that waits for its clock to move must see it move."""

_MOMENT_NS_MAX: Final = (1 << 63) - 1
_ENTROPY_LABEL: Final = b"strongroom.guest.entropy.v1"


class GuestClock:
    """A clock that begins at ``begin_unix_ns`` and never goes back."""

    def __init__(self, begin_unix_ns: int) -> None:
        self._moment_ns = begin_unix_ns

    def read(self) -> int:
        """Now, for the guest; the next reading is later."""
        moment_ns = self._moment_ns
        self._move_to(moment_ns + STEP_NS)
        return moment_ns

    def sleep(self, duration_ns: int) -> None:
        """Move on by a sleep."""
        self._move_to(self._moment_ns + duration_ns)

    def reach(self, unix_ns: int) -> None:
        """Move on to a moment that the guest has learnt of, unless it is past."""
        self._move_to(max(self._moment_ns, unix_ns))

    def _move_to(self, moment_ns: int) -> None:
        self._moment_ns = min(moment_ns, _MOMENT_NS_MAX)


class Entropy:
    """An endless stream of bytes from 32 of them: SHAKE-256 over the seed and the place in the stream."""

    def __init__(self, seed: bytes) -> None:
        self._seed = _ENTROPY_LABEL + hashlib.sha256(seed).digest()
        self._offset = 0

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes. They depend on how the stream was cut before, which a replay does alike."""
        place = self._offset.to_bytes(16, "big")
        self._offset += size
        return hashlib.shake_256(self._seed + place).digest(size)
