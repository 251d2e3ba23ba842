"""``Stores``: the stores of one document by the names of their arrays, and the one set of keys that all of them have.

Rule 1: a store is active before anybody holds it; one that is opened while the keys are away is locked.
Rule 2: every array that is listed can be opened, however many a peer names.
Rule 3: where a peer names more than that, arrays with a value that opens come first: who names arrays without having
the keys hides none of those that have, neither from readers nor from whoever counts what still needs a key.
Source: contracts/workspace-encryption.md 6, 9, 17.10 and 17.11.
"""

from collections.abc import Callable
from typing import Final

from strongroom.crypto.workspace_blob import is_encrypted_blob
from strongroom.errors import InvalidInput, LimitExceeded, StrongroomError, WrongState
from strongroom.keyring.workspace_keys import WorkspaceKeys
from strongroom.workspace.contents import values_by_array
from strongroom.workspace.document import Document
from strongroom.workspace.encrypted import EncryptedStore
from strongroom.workspace.lww import LwwStore
from strongroom.workspace.mirror import slot_of
from strongroom.workspace.value_sealing import ValueSealer

__all__ = ["ARRAYS_MAX", "ARRAY_NAME_BYTES_MAX", "Stores"]

ARRAYS_MAX: Final = 1000
"""Arrays of one document that are opened. Each open store mirrors its entries, and a peer can name arrays for ever.
Where that many are open, those in which nothing opens are not counted, up to as many again."""
ARRAY_NAME_BYTES_MAX: Final = 256
"""Of an array's name in UTF-8: it stands in every update, and in the place that a sealed value is bound to."""


class Stores:
    """The open stores. Every call comes with the document's lock held."""

    def __init__(
        self,
        document: Document,
        keys: WorkspaceKeys | None,
        *,
        owner_id: str,
        strict: bool,
        write_format: int,
        now_ms: Callable[[], int],
    ) -> None:
        """Stores of ``document``; plain ones for ever when ``keys`` is ``None``."""
        self.is_encrypted: Final = keys is not None
        self._document = document
        self._keys = keys
        self._owner_id = owner_id
        self._strict = strict
        self._write_format = write_format
        self._now_ms = now_ms
        self._lww: dict[str, LwwStore] = {}
        self._open: dict[str, EncryptedStore] = {}
        self._ours: set[str] = set()
        self._judged: bytes | None = None

    @property
    def is_locked(self) -> bool:
        """Whether the keys were dropped."""
        return self.is_encrypted and self._keys is None

    def get(self, array: str, *, upgrade: bool = False) -> EncryptedStore:
        """The store of ``array``, opened where it is not. Raises ``InvalidInput`` and ``LimitExceeded``."""
        return self._open.get(array) or self._opened(array, upgrade=upgrade)

    def raw(self, array: str) -> LwwStore:
        """The entries of ``array`` as they are stored."""
        self.get(array)
        return self._lww[array]

    def sealing(self, array: str) -> tuple[ValueSealer, WorkspaceKeys]:
        """What seals a value of ``array`` now. Raises ``WrongState`` without keys."""
        if self._keys is None:
            raise WrongState(
                "SR-WS-116",
                f"workspace {self._document.guid} has no keys to seal with",
                why="it is locked" if self.is_encrypted else "it was opened without a keyring",
                fix="open it with one",
            )
        return ValueSealer(self._owner_id, self._document.guid, array, self._write_format), self._keys

    def names(self) -> list[str]:
        """The arrays that are open or in the document, sorted; of those in the document as many as can be opened."""
        others = [name for name in self._document.array_names() if name not in self._open and _is_array_name(name)]
        if len(self._open) + len(others) > ARRAYS_MAX:
            others = self._best_of(others)
        return sorted([*self._open, *others])

    def activate(self, keys: WorkspaceKeys, *, upgrade: bool) -> None:
        """Give ``keys`` to every store, and to those that are opened later."""
        self._keys, self._judged = keys, None
        for store in self._open.values():
            store.activate(keys, upgrade=upgrade)

    def lock(self) -> None:
        """Take the keys from every store. Plain ones have none."""
        if self.is_encrypted:
            self._keys = None
            for store in self._open.values():
                store.lock()

    def _opened(self, array: str, *, upgrade: bool) -> EncryptedStore:
        if not _is_array_name(array):
            raise InvalidInput(
                "SR-WS-059",
                "an array has an empty or unusable name",
                why=f"names are text of 1 to {ARRAY_NAME_BYTES_MAX} bytes",
                fix="use table:NAME or kv",
                field="array",
            )
        if len(self._open) >= ARRAYS_MAX and not self._has_place():
            raise LimitExceeded(
                "SR-WS-060",
                f"workspace {self._document.guid} has {ARRAYS_MAX} arrays open",
                why="a document has no reason to have more",
                fix="look who writes arrays into it",
                size=len(self._open) + 1,
                limit=ARRAYS_MAX,
            )
        if array not in self._document.array_names():
            self._ours.add(array)
        raw = LwwStore(self._document, array, now_ms=self._now_ms)
        store = EncryptedStore(raw, owner_id=self._owner_id, strict=self._strict, write_format=self._write_format)
        if self._keys is not None:
            store.activate(self._keys, upgrade=upgrade)
        elif self.is_encrypted:
            store.lock()
        self._lww[array], self._open[array] = raw, store
        return store

    # Beyond ``ARRAYS_MAX``.

    def _best_of(self, others: list[str]) -> list[str]:
        """Of arrays that are not open those in which something opens, then others while there is place."""
        self._judge()
        own = sum(name in self._ours for name in others)
        own_open = len(self._open.keys() & self._ours)
        # Each of those that count as ours passes ``_has_place``, and the others fit below the limit.
        places = max(ARRAYS_MAX - len(self._open), min(own, ARRAYS_MAX - own_open, 2 * ARRAYS_MAX - len(self._open)))
        return sorted(others, key=lambda name: name not in self._ours)[: max(places, 0)]

    def _has_place(self) -> bool:
        """Whether one more may be opened: arrays that somebody named who has no keys take no place from others."""
        self._judge()
        return len(self._open) < 2 * ARRAYS_MAX and len(self._open.keys() & self._ours) < ARRAYS_MAX

    def _judge(self) -> None:
        """Find the arrays in which something opens, unless nothing came since the last time."""
        state = self._document.state_vector()
        if self._judged != state:
            values = values_by_array(self._document.update_since())
            self._ours.update(name for name in values.keys() - self._ours if self._opens_one(name, values[name]))
            self._judged = state

    def _opens_one(self, array: str, values: list[object]) -> bool:
        """Whether one of ``values`` was sealed for this place by who has the keys."""
        if self._keys is None or not _is_array_name(array):
            return False
        sealer = ValueSealer(self._owner_id, self._document.guid, array, self._write_format)
        for slot in map(slot_of, values):
            if slot.ts >= 0 and is_encrypted_blob(slot.val):
                try:
                    sealer.open(self._keys, slot.key, slot.ts, slot.val)
                except (StrongroomError, ValueError):
                    continue
                return True
        return False


def _is_array_name(name: str) -> bool:
    try:
        return 1 <= len(name.encode()) <= ARRAY_NAME_BYTES_MAX
    except UnicodeEncodeError:
        return False
