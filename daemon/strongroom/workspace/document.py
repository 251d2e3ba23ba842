"""``Document``: one CRDT document, its transactions, and who is told what when one ends.

A transaction ends in three steps. What was applied is committed; then stores write what was set in it, in one go,
because only now their positions are certain; then losers of conflicts are removed. Only after all that are people told,
in the order of the commits: whoever is told sees a finished state, may write again, and stops nobody by failing.

Rule 1: everything happens under ``lock``; callbacks too run with it held, so they must be short and must not wait for
another thread that wants the document.
Rule 2: origins that begin as ``PrivateOrigin`` are ours and are shown to nobody.
Rule 3: what comes from outside goes through ``apply_untrusted``: the library takes another encoding without a word.
Source: contracts/workspace-encryption.md 6, 9 and 16.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import RLock
from typing import Any, Final

import pycrdt

from strongroom.errors import Internal, InvalidInput, WrongState
from strongroom.workspace.contents import values_by_array
from strongroom.workspace.watcher import ArrayWatcher, Delta, PrivateOrigin
from strongroom.workspace.yjs.held_back import HeldBack
from strongroom.workspace.yjs.limits import FRAME_LIMITS, UpdateLimits
from strongroom.workspace.yjs.untrusted import check_untrusted

__all__ = ["Document", "UpdateCallback"]

UpdateCallback = Callable[[bytes, object], None]
_log = logging.getLogger("strongroom.workspace")
_NOTHING: Final = b"\x00\x00"
COPY_VALUES_MIN: Final = 64
"""Below this many values, asking for each of them is quicker than copying the document."""
_SWEEP: Final = PrivateOrigin("losers are removed")


class Document:
    """A document by its ``guid``. ``client_id`` makes it the same author as before; without one it is random."""

    def __init__(self, guid: str, *, client_id: int | None = None) -> None:
        self.guid: Final = guid
        self.lock: Final = RLock()
        self._doc: pycrdt.Doc[Any] | None = pycrdt.Doc(client_id=client_id, guid=guid, allow_multithreading=True)
        self._arrays: dict[str, pycrdt.Array[Any]] = {}
        self.watchers: Final[dict[str, ArrayWatcher]] = {}
        self._contents: dict[str, list[object]] = {}
        self._transaction: pycrdt.Transaction | None = None
        self._depth = 0
        self._origin: object = None
        self._deltas: list[tuple[ArrayWatcher, Delta]] = []
        self._updates: list[bytes] = []
        self._writing: dict[ArrayWatcher, None] = {}
        self._sweeping: dict[ArrayWatcher, None] = {}
        self._to_tell: deque[Callable[[], None]] = deque()
        self._telling = False
        self._listeners: list[UpdateCallback] = []
        self._held_back = HeldBack()
        self._doc.observe(self._on_commit)

    @property
    def client_id(self) -> int:
        """Who writes here, as peers see it."""
        return self._open().client_id

    @contextmanager
    def transaction(self, origin: object = None) -> Iterator[None]:
        """Writes in it become one update; it may be entered again from within, and the outermost ``origin`` counts.
        As in Yjs nothing is undone when its body raises. Raises ``WrongState`` when the document is closed."""
        with self.lock:
            self._open()
            if self._depth == 0:
                self._begin(origin)
            self._depth += 1
            try:
                yield
            finally:
                try:
                    if self._depth == 1:
                        self._end()
                finally:
                    self._depth -= 1
                    if self._depth == 0:
                        self._tell()

    @contextmanager
    def apart(self, origin: PrivateOrigin) -> Iterator[None]:
        """A transaction of its own even inside another one, which is committed before and goes on after it."""
        with self.settled():
            around = self._origin
            self._end()
            self._begin(origin)
            try:
                yield
            finally:
                self._end()
                self._begin(around)

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Inside it every store is in step with its array: what an open transaction had changed is committed."""
        with self.transaction():
            if self._depth > 1:
                self._end()
                self._begin(self._origin)
            yield

    def array(self, name: str) -> "pycrdt.Array[Any]":
        """The array itself, to be used inside ``transaction`` only: stores notice what changed when that ends."""
        with self.lock:
            if name not in self._arrays:
                self._arrays[name] = self._open().get(name, type=pycrdt.Array)
            return self._arrays[name]

    def array_names(self) -> list[str]:
        """The names of all top-level types that the document has, sorted."""
        with self.lock:
            return sorted(self._open().keys())

    def apply(self, update_v1: bytes, *, origin: object = None) -> None:
        """Merge an update of our own log. Raises ``InvalidInput`` when it cannot be read; then nothing was merged."""
        with self.transaction(origin):
            try:
                self._open().apply_update(update_v1)
            except ValueError as fault:
                raise InvalidInput(
                    "SR-WS-001",
                    "an update of the document cannot be read",
                    why=str(fault),
                    fix="it is damaged, or in another encoding than V1; nothing of it was used",
                    field="update",
                ) from fault

    def apply_untrusted(self, update_v1: bytes, *, origin: object = None, limits: UpdateLimits = FRAME_LIMITS) -> None:
        """Merge an update of a peer, after our own parser has read it whole, or keep it until what it needs is there.

        Raises by name, such as SR-WS-032 for encoding V2, SR-WS-046 for texts where stores are; then nothing is merged.
        """
        check_untrusted(update_v1, replace(limits, values_only=limits.values_only or bool(self.watchers)))
        self._apply_in_turn(update_v1, origin, is_counted=True)

    def apply_in_turn(self, update_v1: bytes, *, origin: object = None) -> None:
        """Merge an update of our own log as ``apply`` does, once what it needs is there; how many wait has no limit."""
        self._apply_in_turn(update_v1, origin, is_counted=False)

    def state_vector(self) -> bytes:
        """What this document has seen, in the encoding of Yjs."""
        with self.lock:
            return self._open().get_state()

    def update_since(self, state_vector: bytes | None = None) -> bytes:
        """What is missing at ``state_vector``, everything without it. What is set in an open transaction is not in it.

        Raises ``InvalidInput`` when the state vector cannot be read.
        """
        with self.lock:
            try:
                return self._open().get_update(state_vector)
            except ValueError as fault:
                raise InvalidInput(
                    "SR-WS-002",
                    "a state vector cannot be read",
                    fix="send the one that the peer's document gives",
                    field="state_vector",
                ) from fault

    def on_update(self, callback: UpdateCallback) -> Callable[[], None]:
        """Call ``callback(update_v1, origin)`` after each commit that changed something; returns what ends that.
        Clean-up of ours has the origin ``None``. It runs with the lock held; what it raises is logged."""
        with self.lock:
            self._open()
            self._listeners.append(callback)

        def end() -> None:
            with self.lock:
                if callback in self._listeners:
                    self._listeners.remove(callback)

        return end

    def close(self) -> None:
        """Drop the document; whoever uses it after that gets ``WrongState``. Closing again does nothing."""
        with self.lock:
            self._doc = None
            self._arrays.clear()
            self._listeners.clear()

    # For stores.

    def watch(self, name: str, watcher: ArrayWatcher) -> None:
        """Have ``watcher`` absorb every later change of the array ``name``.

        Raises ``Internal`` when the array has one: two would each remove what lost, and the second one something else.
        """
        if name in self.watchers:
            raise Internal("SR-WS-004", f"an array of the document {self.guid} was opened twice")
        self.watchers[name] = watcher
        self.array(name).observe(
            lambda event: self._deltas.append((watcher, event.delta))  # type: ignore[attr-defined] # declared as a slot only
        )

    def contents(self, name: str) -> list[object]:
        """The values of the array ``name``, in order, as they are committed.

        Asking one by one takes time in the square of their number, so all are read at once, and kept until asked for.
        """
        array = self.array(name)
        if len(array) <= COPY_VALUES_MIN:
            return list(array)
        if name not in self._contents:
            self._contents = values_by_array(self.update_since())
        return self._contents.pop(name)

    def write_at_end(self, watcher: ArrayWatcher) -> None:
        """Have ``watcher`` write before the transaction that is open now ends."""
        self._writing[watcher] = None

    def sweep_at_end(self, watcher: ArrayWatcher) -> None:
        """Have ``watcher`` sweep before anybody is told."""
        self._sweeping[watcher] = None

    def tell_later(self, call: Callable[[], None]) -> None:
        """Run ``call`` when the transaction is over and everything before it was told."""
        self._to_tell.append(call)

    # The steps of a transaction.

    def _open(self) -> "pycrdt.Doc[Any]":
        if self._doc is None:
            raise WrongState("SR-WS-003", f"the document {self.guid} is closed", fix="mount its workspace again")
        return self._doc

    def _apply_in_turn(self, update_v1: bytes, origin: object, *, is_counted: bool) -> None:
        with self.transaction(origin):
            for update in self._held_back.in_turn(update_v1, self.state_vector, is_counted=is_counted):
                self.apply(update)

    def _on_commit(self, event: pycrdt.TransactionEvent) -> None:
        self._contents.clear()
        if self._listeners:
            self._updates.append(event.update)

    def _begin(self, origin: object) -> None:
        self._origin = origin
        self._transaction = self._open().transaction()
        self._transaction.__enter__()

    def _end(self) -> None:
        """Commit, write, sweep, until nothing waits."""
        origin = self._origin
        self._commit()
        while self._writing or self._sweeping:
            if self._sweeping:  # first, so that a store that writes knows one entry for each key
                work, self._sweeping = [watcher.sweep for watcher in self._sweeping], {}
                self._begin(_SWEEP)
            else:
                work, self._writing = [watcher.write for watcher in self._writing], {}
                self._begin(origin)
            try:
                for call in work:
                    call()
            finally:
                self._commit()
        self._origin = origin

    def _commit(self) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is None:
            return
        transaction.__exit__(None, None, None)
        origin = self._origin
        updates, self._updates = self._updates, []
        for update in (each for each in updates if each != _NOTHING):
            self.tell_later(partial(self._tell_update, update, origin))
        deltas, self._deltas = self._deltas, []
        for watcher, delta in deltas:
            watcher.absorb(delta, origin)

    def _tell_update(self, update: bytes, origin: object) -> None:
        shown = None if isinstance(origin, PrivateOrigin) else origin
        for listener in tuple(self._listeners):
            try:
                listener(update, shown)
            except Exception as fault:  # its text may hold values, so only its kind is logged
                _log.error("an observer of a document failed", extra={"guid": self.guid, "fault": type(fault).__name__})

    def _tell(self) -> None:
        """Run what waits, in order. A transaction made by whoever is told adds to the end and returns here."""
        if self._telling:
            return
        self._telling = True
        try:
            while self._to_tell:
                self._to_tell.popleft()()
        finally:
            self._telling = False
