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
from typing import Final

from strongroom.crypto.keyring_entry import Keyring
from strongroom.errors import InvalidInput, WrongState
from strongroom.keyring.workspace_keys import WorkspaceKeys, derive_workspace_keys
from strongroom.plugin.workspaces import WorkspaceDefinition
from strongroom.workspace.document import Document
from strongroom.workspace.encrypted import EncryptedStore
from strongroom.workspace.kv import Kv
from strongroom.workspace.lww import LwwStore
from strongroom.workspace.row_schema import RowSchema
from strongroom.workspace.stores import Stores
from strongroom.workspace.table import Table
from strongroom.workspace.value_sealing import ValueSealer

__all__ = ["KV_ARRAY", "TABLE_PREFIX", "UnreadableEntry", "Workspace"]

KV_ARRAY: Final = "kv"
TABLE_PREFIX: Final = "table:"


@dataclass(frozen=True, slots=True)
class UnreadableEntry:
    """An entry that is stored and cannot be read here: where it is, and why."""

    array: str
    key: str = field(repr=False)
    reason: str
    key_version: int | None


class Workspace:
    """An open workspace. Safe for any thread: every access takes the document's lock."""

    def __init__(self, definition: WorkspaceDefinition, document: Document, stores: Stores, *, upgrade: bool) -> None:
        """Use ``create``, which asks for the keys."""
        self.definition = definition
        self.document = document
        self._stores = stores
        self._on_readability: list[Callable[[], None]] = []
        self._is_disposed = False
        schemas = {each.name: RowSchema(each) for each in definition.tables}
        with document.lock:
            self.tables: Mapping[str, Table] = {
                name: Table(schema, stores.get(TABLE_PREFIX + name, upgrade=upgrade), document)
                for name, schema in schemas.items()
            }
            self.kv = Kv(definition.kv, stores.get(KV_ARRAY, upgrade=upgrade))

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
            stores = Stores(place, keys, owner_id=owner_id, strict=strict, write_format=write_format, now_ms=now_ms)
            return cls(definition, place, stores, upgrade=upgrade)
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
        return self._stores.is_encrypted

    @property
    def is_locked(self) -> bool:
        """Whether its keys were dropped."""
        return self._stores.is_locked

    def store(self, array: str) -> EncryptedStore:
        """The store of ``array``, defined or not; active before it is returned.

        Raises ``InvalidInput`` for a name that is none, ``LimitExceeded`` when too many are open.
        """
        with self.document.lock:
            self._check_alive()
            return self._stores.get(array)

    def raw_store(self, array: str) -> LwwStore:
        """The entries of ``array`` as they are stored: for views and rewrapping, which must see the unreadable too."""
        with self.document.lock:
            self._check_alive()
            return self._stores.raw(array)

    def sealing(self, array: str) -> tuple[ValueSealer, WorkspaceKeys]:
        """What seals a value of ``array`` now, for migrating old ones. Raises ``WrongState`` without keys."""
        with self.document.lock:
            self._check_alive()
            return self._stores.sealing(array)

    def arrays(self) -> list[str]:
        """The names of the arrays that are there, defined or not, sorted.

        Each of them can be opened: what a peer names beyond a limit is left out.
        """
        with self.document.lock:
            self._check_alive()
            return self._stores.names()

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
            if not self.is_encrypted:
                raise WrongState(
                    "SR-WS-058",
                    f"workspace {self.id} is plain",
                    why="it was opened without a keyring",
                    fix="open it with one",
                )
            self._stores.activate(derive_workspace_keys(keyring, self.id), upgrade=upgrade)
            self._tell()

    def lock(self) -> None:
        """Forget the keys: reads become unreadable, writes fail. A plain workspace has none. Idempotent."""
        with self.document.lock:
            if self.is_encrypted and not self._is_disposed:
                self._stores.lock()
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
