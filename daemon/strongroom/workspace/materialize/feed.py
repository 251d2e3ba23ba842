"""``ViewFeed``: keeps one view in step with a workspace, from a thread of its own.

Observers only note which keys changed, so whoever writes waits for no view. The thread then reads what is stored now
and hands it to the sink in batches; nothing is kept between, so a view that fails, or a process that is killed, loses
only a state that is made again.

Rule 1: the thread holds the document's lock while it reads a batch, and never while it writes one.
Rule 2: what cannot be read is shown as such: a replaced value does not live on in a view.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from strongroom.errors import StrongroomError, TimedOut
from strongroom.storage.plain_view import view_fault
from strongroom.workspace.entry import Change
from strongroom.workspace.materialize.shape import ViewEntry, entry_of
from strongroom.workspace.workspace import Workspace

__all__ = ["BATCH_ENTRIES", "Sink", "ViewFeed"]

BATCH_ENTRIES: Final = 500
"""Read with the document's lock held: some milliseconds."""
DIRTY_KEYS_MAX: Final = 100_000
"""Beyond it the view is made again as a whole, which needs no list of keys."""
FLUSH_TIMEOUT_S: Final = 60.0

_log = logging.getLogger("strongroom.workspace")


class Sink(Protocol):
    """What shows entries. Called by one thread at a time."""

    def rebuild(self, batches: Iterator[Sequence[ViewEntry]]) -> None:
        """Show the entries of ``batches`` and nothing else."""

    def apply(self, batch: Sequence[ViewEntry]) -> None:
        """Bring the entries of ``batch`` up to date."""

    def close(self) -> None:
        """Let go of files; what is shown stays."""


class ViewFeed:
    """A running feed. ``open`` makes the view anew, then starts the thread.

    ``flush`` and ``close`` wait for the thread, so they must not be called with the document's lock held.
    """

    def __init__(self, workspace: Workspace, sink: Sink, *, name: str) -> None:
        """Use ``open``."""
        self.name = name
        self._workspace = workspace
        self._sink = sink
        self._changed = threading.Condition()
        self._dirty: dict[tuple[str, str], None] = {}
        self._look_for_arrays = False
        self._make_anew = False
        self._is_closing = False
        self._noted = 0  # counts what was noted, so that a flush knows when its part is shown
        self._shown = 0
        self._fault: StrongroomError | None = None
        self._observed: set[str] = set()
        self._disposers: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run, name=f"view-{name}", daemon=True)

    @classmethod
    def open(cls, workspace: Workspace, sink: Sink, *, name: str) -> "ViewFeed":
        """A view that shows what ``workspace`` holds, and a thread that keeps it so. Raises what ``sink`` raises."""
        feed = cls(workspace, sink, name=name)
        with workspace.document.lock:
            feed._disposers.append(workspace.on_readability(feed._note_all))
            feed._disposers.append(workspace.document.on_update(feed._note_update))
            feed._observe_arrays()
        try:
            feed._rebuild()
        except BaseException:
            feed._dispose()
            sink.close()
            raise
        feed._thread.start()
        return feed

    @property
    def fault(self) -> StrongroomError | None:
        """Why the view is behind, ``None`` where it is not. It is made anew with the next change or flush."""
        return self._fault

    def flush(self, timeout_s: float = FLUSH_TIMEOUT_S) -> None:
        """Return when everything written before is shown. A view that is behind is made anew first.

        Raises what the sink raised, ``TimedOut`` after a time.
        """
        with self._changed:
            if self._fault is not None:
                self._make_anew = True
                self._note()
            target = self._noted
            if not self._changed.wait_for(lambda: self._shown >= target or self._is_closing, timeout_s):
                raise TimedOut(
                    "SR-WS-069",
                    f"the view {self.name} is still behind after {timeout_s:g} s",
                    fix="look whether its disk is slow",
                )
            if self._fault is not None:
                raise self._fault

    def close(self) -> None:
        """Show what was written before, then stop. What is shown stays. Idempotent."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._dispose()
        if self._thread.ident is not None:
            self._thread.join()
        self._sink.close()

    # Called with the document's lock held: they only note.

    def _note_all(self) -> None:
        with self._changed:
            self._make_anew = True
            self._note()

    def _note_update(self, _update: bytes, _origin: object) -> None:
        if not self._observed.issuperset(self._workspace.arrays()):
            with self._changed:
                self._look_for_arrays = True
                self._note()

    def _note_keys(self, array: str, keys: Mapping[str, Change], _origin: object) -> None:
        with self._changed:
            if len(self._dirty) + len(keys) > DIRTY_KEYS_MAX:
                self._make_anew = True
            if not self._make_anew:
                self._dirty.update(dict.fromkeys((array, key) for key in keys))
            self._note()

    def _note(self) -> None:
        self._noted += 1
        self._changed.notify_all()

    def _observe_arrays(self) -> list[tuple[str, str]]:
        """Observe the arrays that are new; the keys that are in them already."""
        found: list[tuple[str, str]] = []
        for array in self._workspace.arrays():
            if array in self._observed:
                continue
            raw = self._workspace.raw_store(array)
            self._disposers.append(raw.observe(partial(self._note_keys, array)))
            self._observed.add(array)
            found.extend((array, entry.key) for entry in raw.entries())
        return found

    # The thread.

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._has_work() or self._is_closing)
                if not self._has_work():
                    return
                target = self._noted
                dirty, self._dirty = list(self._dirty), {}
                make_anew, self._make_anew = self._make_anew or self._fault is not None, False
                look, self._look_for_arrays = self._look_for_arrays, False
            fault: StrongroomError | None = None
            try:
                if look:
                    with self._workspace.document.lock:
                        dirty += self._observe_arrays()
                if make_anew:
                    self._rebuild()
                else:
                    for batch in self._read(dirty):
                        self._sink.apply(batch)
            except StrongroomError as error:
                _log.warning("a view is behind", extra={"view": self.name, "code": error.code})
                fault = error
            except Exception as error:
                # A bug must not leave those waiting who flush. Its text may hold values, so only its kind is said.
                fault = view_fault(Path(self.name), type(error).__name__)
                _log.error("a view failed", extra={"view": self.name, "fault": type(error).__name__})
            with self._changed:
                self._fault = fault
                self._shown = target
                self._changed.notify_all()

    def _has_work(self) -> bool:
        return bool(self._dirty) or self._make_anew or self._look_for_arrays

    def _rebuild(self) -> None:
        with self._workspace.document.lock:
            keys = [
                (array, entry.key)
                for array in self._workspace.arrays()
                for entry in self._workspace.raw_store(array).entries()
            ]
        self._sink.rebuild(self._read(keys))

    def _read(self, keys: Sequence[tuple[str, str]]) -> Iterator[Sequence[ViewEntry]]:
        for start in range(0, len(keys), BATCH_ENTRIES):
            with self._workspace.document.lock:
                batch = [entry_of(self._workspace, *place) for place in keys[start : start + BATCH_ENTRIES]]
            yield batch

    def _dispose(self) -> None:
        for dispose in self._disposers:
            dispose()
        self._disposers.clear()
