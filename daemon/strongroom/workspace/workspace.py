"""``Workspace``: a document with its tables, its key-values, and one set of keys for all of them.

Rule 1: ``keyring()`` is asked once, when the workspace is made; what it raises, the maker gets, and nothing was opened.
Rule 2: with a keyring every store is active before anybody holds it; without one stores are plain.
Rule 3: a rotation reaches every open store in place (``reactivate``); ``lock`` takes the keys away from all of them.

A store of an array that no definition names is had by its name, so a workspace without a definition works too.
Source: contracts/workspace-encryption.md 9, 17.10 and 17.11.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from strongroom.crypto.keyring_entry import Keyring
from strongroom.errors import InvalidInput, LimitExceeded, WrongState
from strongroom.keyring.workspace_keys import WorkspaceKeys, derive_workspace_keys
from strongroom.plugin.workspaces import WorkspaceDefinition
from strongroom.workspace.document import Document
from strongroom.workspace.encrypted import EncryptedStore
from strongroom.workspace.kv import Kv
from strongroom.workspace.lww import LwwStore
from strongroom.workspace.row_schema import RowSchema
from strongroom.workspace.table import Table
from strongroom.workspace.value_sealing import ValueSealer

__all__ = ["ARRAYS_MAX", "KV_ARRAY", "TABLE_PREFIX", "UnreadableEntry", "Workspace"]

KV_ARRAY: Final = "kv"
TABLE_PREFIX: Final = "table:"
ARRAYS_MAX: Final = 1000
"""Arrays of one document that are opened. Each open store mirrors its entries, and a peer can name arrays for ever."""
ARRAY_NAME_BYTES_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class UnreadableEntry:
    """An entry that is stored and cannot be read here: where it is, and why."""

    array: str
    key: str = field(repr=False)
    reason: str
    key_version: int | None


class Workspace:
    """An open workspace. Safe for any thread: every access takes the document's lock."""

    def __init__(
        self,
        definition: WorkspaceDefinition,
        document: Document,
        keys: WorkspaceKeys | None,
        *,
        owner_id: str,
        strict: bool,
        write_format: int,
        upgrade: bool,
        now_ms: Callable[[], int],
    ) -> None:
        """Use ``create``, which asks for the keys."""
        self.definition = definition
        self.document = document
        self._keys = keys
        self._is_encrypted = keys is not None
        self._owner_id = owner_id
        self._strict = strict
        self._write_format = write_format
        self._now_ms = now_ms
        self._lww: dict[str, LwwStore] = {}
        self._stores: dict[str, EncryptedStore] = {}
        self._on_readability: list[Callable[[], None]] = []
        self._is_disposed = False
        schemas = {each.name: RowSchema(each) for each in definition.tables}
        with document.lock:
            for array in (*(TABLE_PREFIX + name for name in schemas), KV_ARRAY):
                self._open(array, upgrade=upgrade)
        self.tables: Mapping[str, Table] = {
            name: Table(schema, self._stores[TABLE_PREFIX + name], document) for name, schema in schemas.items()
        }
        self.kv = Kv(definition.kv, self._stores[KV_ARRAY])

    @classmethod
    def create(
        cls,
        definition: WorkspaceDefinition,
        *,
        document: Document | None = None,
        keyring: Callable[[], Keyring] | None = None,
        owner_id: str = "shared",
        strict: bool = True,
        write_format: int = 2,
        upgrade: bool = False,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> "Workspace":
        """A workspace on ``document``, or on a new one whose guid is the id of ``definition``.

        ``keyring`` is called once and its error is raised as it is; ``None`` means plain stores. With ``upgrade`` what
        is readable under other key versions is encrypted anew at once; without, ``keys rewrap`` does it.
        Raises ``InvalidInput`` for a schema that is none, or a document with another guid.
        """
        if document is not None and document.guid != definition.id:
            raise InvalidInput(
                "SR-WS-057",
                f"workspace {definition.id} cannot live in a document whose guid is another",
                why="keys and places of values are derived from the id",
                fix="open the document under the id of the workspace",
                field="document",
            )
        keys = None if keyring is None else derive_workspace_keys(keyring(), definition.id)
        place = document or Document(definition.id)
        try:
            return cls(
                definition,
                place,
                keys,
                owner_id=owner_id,
                strict=strict,
                write_format=write_format,
                upgrade=upgrade,
                now_ms=now_ms,
            )
        except BaseException:
            if document is None:
                place.close()
            raise

    @property
    def id(self) -> str:
        """The id, which is the guid of the document."""
        return self.definition.id

    @property
    def is_encrypted(self) -> bool:
        """Whether its values are encrypted, also while it is locked."""
        return self._is_encrypted

    @property
    def is_locked(self) -> bool:
        """Whether its keys were dropped."""
        return self._is_encrypted and self._keys is None

    def store(self, array: str) -> EncryptedStore:
        """The store of ``array``, defined or not; active before it is returned.

        Raises ``InvalidInput`` for a name that is none, ``LimitExceeded`` when ``ARRAYS_MAX`` arrays are open.
        """
        with self.document.lock:
            self._check_alive()
            return self._stores.get(array) or self._open(array, upgrade=False)

    def raw_store(self, array: str) -> LwwStore:
        """The entries of ``array`` as they are stored: for views and rewrapping, which must see the unreadable too."""
        with self.document.lock:
            self.store(array)
            return self._lww[array]

    def sealing(self, array: str) -> tuple[ValueSealer, WorkspaceKeys]:
        """What seals a value of ``array`` now, for migrating old ones. Raises ``WrongState`` without keys."""
        with self.document.lock:
            self._check_alive()
            if self._keys is None:
                raise WrongState(
                    "SR-WS-116",
                    f"workspace {self.id} has no keys to seal with",
                    why="it is locked" if self._is_encrypted else "it was opened without a keyring",
                    fix="open it with one",
                )
            return ValueSealer(self._owner_id, self.document.guid, array, self._write_format), self._keys

    def arrays(self) -> list[str]:
        """The names of the arrays that are there, defined or not, sorted.

        Each of them can be opened: what a peer names beyond ``ARRAYS_MAX`` is left out.
        """
        with self.document.lock:
            self._check_alive()
            others = (name for name in self.document.array_names() if name not in self._stores and _is_array_name(name))
            return sorted([*self._stores, *islice(others, ARRAYS_MAX - len(self._stores))])

    def table_of(self, array: str) -> Table | None:
        """The table that ``array`` is, where a definition says so."""
        return self.tables.get(array.removeprefix(TABLE_PREFIX)) if array.startswith(TABLE_PREFIX) else None

    def versions(self) -> dict[str, Counter[int]]:
        """Of each array, how many entries are stored under which key version; 0 is plaintext."""
        return {array: self.store(array).versions() for array in self.arrays()}

    def unreadable(self) -> list[UnreadableEntry]:
        """Every entry that is stored and cannot be read here, with its reason."""
        return [
            UnreadableEntry(array, key, found.reason, found.key_version)
            for array in self.arrays()
            for key, found in self.store(array).unreadable()
        ]

    def on_readability(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` after keys came or went, with the document's lock held. Returns its disposer."""
        with self.document.lock:
            self._on_readability.append(callback)

        def dispose() -> None:
            with self.document.lock:
                if callback in self._on_readability:
                    self._on_readability.remove(callback)

        return dispose

    def reactivate(self, keyring: Keyring, *, upgrade: bool = False) -> None:
        """Give every store the keys of ``keyring``, in place: after a rotation, and to unlock.

        Raises ``WrongState`` for a plain workspace: what makes it encrypted is opening it with a keyring.
        """
        with self.document.lock:
            self._check_alive()
            if not self._is_encrypted:
                raise WrongState(
                    "SR-WS-058",
                    f"workspace {self.id} is plain",
                    why="it was opened without a keyring",
                    fix="open it with one",
                )
            self._keys = derive_workspace_keys(keyring, self.id)
            for store in self._stores.values():
                store.activate(self._keys, upgrade=upgrade)
            self._tell()

    def lock(self) -> None:
        """Forget the keys: reads become unreadable, writes fail. A plain workspace has none. Idempotent."""
        with self.document.lock:
            if not self._is_encrypted or self._is_disposed:
                return
            self._keys = None
            for store in self._stores.values():
                store.lock()
            self._tell()

    def dispose(self) -> None:
        """Forget the keys and destroy the document with its stores. Idempotent."""
        with self.document.lock:
            if self._is_disposed:
                return
            self._on_readability.clear()
            self.lock()
            self._is_disposed = True
            self.document.close()

    def _open(self, array: str, *, upgrade: bool) -> EncryptedStore:
        if not _is_array_name(array):
            raise InvalidInput(
                "SR-WS-059",
                "an array has an empty or unusable name",
                why=f"names are text of 1 to {ARRAY_NAME_BYTES_MAX} bytes",
                fix="use table:NAME or kv",
                field="array",
            )
        if len(self._stores) >= ARRAYS_MAX:
            raise LimitExceeded(
                "SR-WS-060",
                f"workspace {self.id} has {ARRAYS_MAX} arrays open",
                why="a document has no reason to have more",
                fix="look who writes arrays into it",
                size=len(self._stores) + 1,
                limit=ARRAYS_MAX,
            )
        raw = LwwStore(self.document, array, now_ms=self._now_ms)
        store = EncryptedStore(raw, owner_id=self._owner_id, strict=self._strict, write_format=self._write_format)
        if self._is_encrypted:
            if self._keys is not None:
                store.activate(self._keys, upgrade=upgrade)
            else:
                store.lock()
        self._lww[array], self._stores[array] = raw, store
        return store

    def _tell(self) -> None:
        for callback in tuple(self._on_readability):
            callback()

    def _check_alive(self) -> None:
        if self._is_disposed:
            raise WrongState(
                "SR-WS-061",
                f"workspace {self.id} is closed",
                why="its mount was removed, or its owner signed out",
                fix="mount it again",
            )


def _is_array_name(name: str) -> bool:
    try:
        return 1 <= len(name.encode()) <= ARRAY_NAME_BYTES_MAX
    except UnicodeEncodeError:
        return False
