"""``RunKeys``: a key of its own for every run, and the budget of messages it may seal.

``RunEncryptor`` adds the three parts without which no engine starts: ``encrypt``, ``decrypt``, ``get_key_material``.
Source: contracts/run-encryption.md 6, 14 row 14, and 14.1.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from strongroom.crypto.framing import length_prefixed
from strongroom.crypto.key_material import KeyMaterial, key_material
from strongroom.crypto.keys import Key
from strongroom.crypto.srn1 import PREFIX, Place
from strongroom.crypto.srn1_parts import open_content, parts_in, parts_of, seal_content
from strongroom.errors import KeyMissing, SealBudgetExceeded, Tampered
from strongroom.keyring.check import is_key_of
from strongroom.keyring.root import RUNS, RootKeyring
from strongroom.keyring.unopened import Unopened, reason_of, unheard
from strongroom.storage.key_checks import KeyCheckRow

__all__ = ["SEALS_PER_RUN_MAX", "RunEncryptor", "RunKeys", "SealContext"]

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
        self._deployment_id = deployment_id
        self._info = length_prefixed(_INFO, deployment_id)
        self._entries: OrderedDict[tuple[str, int], _Entry] = OrderedDict()
        self._lock = threading.Lock()
        self.on_unopened: Unopened = unheard
        """Told why, of each thing that did not open."""

    @property
    def deployment_id(self) -> str:
        """The deployment whose runs these keys are of."""
        return self._deployment_id

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The key ids of every version that is held, highest first."""
        return tuple(self._root.key_id(version) for version in self._root.versions)

    def fits(self, check: KeyCheckRow) -> bool | None:
        """Whether the version of ``check`` is the key that it is of; nothing where no such version is held."""
        if check.version not in self._root.versions:
            return None
        return is_key_of(self._root, check)

    @property
    def writing_version(self) -> int:
        """The version that new runs are sealed under. A run keeps the one that it began with until it has ended."""
        return self._root.writing_version

    def seal(self, place: Place, plaintext: bytes, *, key_version: int) -> bytes:
        """``plaintext`` sealed at ``place`` under the run's key of ``key_version``, in parts where it is large.

        Raises ``SealBudgetExceeded`` after 2^24 envelopes of one run, ``KeyMissing`` for an unknown version.
        """
        entry = self._entry(place.run_id, key_version)
        with self._lock:
            # The count starts at zero in a new process; the journal's index is the part of it that lasts by itself.
            spent = max(entry.seals, place.index) + parts_of(len(plaintext))
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
        return seal_content(entry.key, key_version, place, plaintext)

    def open(self, place: Place, blob: bytes) -> bytes:
        """What was sealed at ``place``. Raises ``Tampered``, or ``KeyMissing`` for an unknown version."""
        try:
            return open_content(lambda version: self._entry(place.run_id, version).key, place, blob)
        except (Tampered, KeyMissing) as error:
            self.on_unopened(reason_of(error, blob, PREFIX))
            raise

    def sealed_before(self, run_id: str, sealed_bytes: Iterable[int], *, key_version: int) -> None:
        """Count what a run sealed in an earlier process: the sizes of the sealed values that it has."""
        entry = self._entry(run_id, key_version)
        seals = sum(map(parts_in, sealed_bytes))
        with self._lock:
            entry.seals = max(entry.seals, seals)

    def material(self, run_id: str, *, key_version: int) -> KeyMaterial:
        """The key of one run for use elsewhere. Whoever calls has checked the permission and recorded it.

        Raises ``KeyMissing`` for an unknown version.
        """
        context = {"deployment_id": self._deployment_id, "run_id": run_id, "key_version": str(key_version)}
        return key_material(self._entry(run_id, key_version).key, context)

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


@dataclass(frozen=True, slots=True)
class SealContext:
    """Where a value of a run belongs, and the key version that the run is under. To open needs the place alone."""

    place: Place
    key_version: int = 0


class RunEncryptor(RunKeys):
    """The three parts through which the engine seals the data of runs, over ``srn1``."""

    def encrypt(self, data: bytes, context: SealContext) -> bytes:
        """``data`` sealed at the place of ``context``. Raises ``SealBudgetExceeded``, ``KeyMissing``."""
        return self.seal(context.place, data, key_version=context.key_version)

    def decrypt(self, data: bytes, context: SealContext) -> bytes:
        """What was sealed at the place of ``context``. Raises ``Tampered``, ``KeyMissing``."""
        return self.open(context.place, data)

    def get_key_material(self, run_id: str, *, key_version: int | None = None) -> KeyMaterial:
        """The key of one run and what it was derived from; without a version, the one that new runs are sealed under.

        Permission and audit are the caller's. Raises ``KeyMissing`` for an unknown version.
        """
        return self.material(run_id, key_version=self.writing_version if key_version is None else key_version)
