"""``RunKeys``: a key of its own for every run, and the budget of messages it may seal.

Source: contracts/run-encryption.md 14 row 14, and 14.1.
"""

import threading
from collections import OrderedDict
from typing import Final

from strongroom.crypto.framing import length_prefixed
from strongroom.crypto.keys import Key
from strongroom.crypto.srn1 import Place, open_sealed, seal
from strongroom.errors import SealBudgetExceeded
from strongroom.keyring.root import RUNS, RootKeyring

__all__ = ["SEALS_PER_RUN_MAX", "RunKeys"]

SEALS_PER_RUN_MAX: Final = 2**24  # far below the bound for random nonces under one key
KEYS_KEPT_MAX: Final = 4096  # runs in flight and a margin; deriving one again takes microseconds

_SALT: Final = bytes(32)
_INFO: Final = "strongroom/run/v1"


class _Entry:
    """A run's derived key and how many messages it sealed."""

    __slots__ = ("key", "seals")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.seals = 0


class RunKeys:
    """Seals and opens the journal of runs. Safe to call from several threads."""

    def __init__(self, root: RootKeyring, deployment_id: str) -> None:
        """Derive from ``root`` for one deployment: two deployments with one root never share a run key."""
        self._root = root
        self._info = length_prefixed(_INFO, deployment_id)
        self._entries: OrderedDict[tuple[str, int], _Entry] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def writing_version(self) -> int:
        """The version that new runs are sealed under. A run keeps the one that it began with."""
        return self._root.writing_version

    def seal(self, place: Place, plaintext: bytes, *, key_version: int) -> bytes:
        """``plaintext`` sealed at ``place`` under the run's key of ``key_version``.

        Raises ``SealBudgetExceeded`` after 2^24 messages of one run, ``KeyMissing`` for an unknown version.
        """
        entry = self._entry(place.run_id, key_version)
        with self._lock:
            # The count starts at zero in a new process; the journal's index is the part of it that lasts.
            spent = max(entry.seals, place.index) + 1
            if spent <= SEALS_PER_RUN_MAX:
                entry.seals = spent
        if spent > SEALS_PER_RUN_MAX:
            raise SealBudgetExceeded(
                "SR-SEAL-005",
                f"run {place.run_id} sealed more than {SEALS_PER_RUN_MAX} messages",
                why="more under one key would weaken the seal of all of them",
                fix="split the work into several runs",
                run_id=place.run_id,
                limit=SEALS_PER_RUN_MAX,
            )
        return seal(entry.key, key_version, place, plaintext)

    def open(self, place: Place, blob: bytes) -> bytes:
        """What was sealed at ``place``. Raises ``Tampered``, or ``KeyMissing`` for an unknown version."""
        return open_sealed(lambda version: self._entry(place.run_id, version).key, place, blob)

    def _entry(self, run_id: str, version: int) -> _Entry:
        name = (run_id, version)
        with self._lock:
            entry = self._entries.get(name)
            if entry is not None:
                self._entries.move_to_end(name)
                return entry
            subroot = self._root.subroot(RUNS, version)
            entry = _Entry(subroot.derive(salt=_SALT, info=self._info + length_prefixed(run_id)))
            self._entries[name] = entry
            if len(self._entries) > KEYS_KEPT_MAX:
                self._entries.popitem(last=False)
            return entry
