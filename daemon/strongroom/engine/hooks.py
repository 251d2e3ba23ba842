"""Hooks of runs, for the guest that makes them, awaits and disposes of them.

Rule 1: the journal is the truth; the table only finds the run of a token. Both change in one transaction.
Rule 2: who changes the hooks of a run holds the lock of that run, from looking at its journal until the disk has it.
Rule 3: a token is claimed by one run at a time, from looking for it until the disk has it.
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Final

from strongroom.crypto.srn1 import tag_of
from strongroom.engine.calls import Later
from strongroom.engine.disk_watch import DiskRoom
from strongroom.engine.event_types import HOOK_CONFLICT, HOOK_CREATED, HOOK_DISPOSED
from strongroom.engine.hook_book import ALL, BookedHook, HookBook
from strongroom.engine.hook_limits import check_metadata, check_token
from strongroom.engine.hook_rows import new_hook_id
from strongroom.engine.journal import Journals, now_ms
from strongroom.engine.limits import EngineLimits
from strongroom.engine.run_capability import Method, RunCall, Taken, check_room
from strongroom.engine.run_journal import RunJournal
from strongroom.errors import Conflict, LimitExceeded, NotFound, WrongState
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.pb.strongroom.run.v1 import run_capability_pb2
from strongroom.storage.runs import RunRow

__all__ = ["Hooks"]

LOCKS: Final = 64
"""Runs share locks: a run that waits for the disk keeps few others waiting."""
BOOKS_MAX: Final = 1_000
"""Runs whose hooks are remembered; of the others the journal is read again."""
PAGE: Final = 500
TOKEN_BYTES: Final = 16


class Hooks:
    """Hooks of every run of this host."""

    def __init__(self, journals: Journals, limits: EngineLimits, disk: DiskRoom) -> None:
        self._journals = journals
        self._limits = limits
        self._disk = disk
        self._locks = [threading.RLock() for _ in range(LOCKS)]
        self._books: OrderedDict[str, HookBook] = OrderedDict()
        self._keeping = threading.Lock()
        self._claimed: set[str] = set()
        self._claims = threading.Condition()

    def methods(self) -> dict[str, Method]:
        """What guests may call."""
        return {
            "CreateHook": Method(run_capability_pb2.CreateHookRequest, self._create),
            "AwaitHook": Method(run_capability_pb2.AwaitHookRequest, self._await),
            "DisposeHook": Method(run_capability_pb2.DisposeHookRequest, self._dispose),
        }

    def locked(self, run_id: str) -> threading.RLock:
        """The lock of a run's hooks."""
        return self._locks[hash(run_id) % LOCKS]

    def book(self, run_id: str) -> HookBook:
        """What the journal of a run says now, for all that is on the disk. The lock of the run is held.

        Raises ``NotFound``, ``Tampered``, ``KeyMissing``, ``Unavailable``.
        """
        header = self._stored(run_id)
        with self._keeping:
            book = self._books.pop(run_id, None)
        if book is None or not self._read(book, header):
            # Nothing is known of it, or its journal was sealed anew since.
            book = HookBook()
            if not self._read(book, header):
                raise self._journals.fault(header)
        with self._keeping:
            self._books[run_id] = book
            if len(self._books) > BOOKS_MAX:
                self._books.popitem(last=False)
        return book

    def _read(self, book: HookBook, header: RunRow) -> bool:
        """Read what is new; whether the book ends as the header says, or behind that."""
        while page := self._journals.page(header, book.next_index, PAGE):
            if any(event.content is None for event in page):
                return False
            book.read(page)
            book.tag = tag_of(page[-1].row.sealed)
        behind = book.next_index - 1 - header.head_index
        return behind > 0 or (behind == 0 and self._journals.is_head(header, book.tag))

    def note_disposed(self, journal: RunJournal, hook_id: str, step: str) -> "Future[None]":
        """Note that a hook is gone, and free its token. The lock of the run is held until that is on the disk."""
        content = journal_pb2.HookDisposed(step=step).SerializeToString()
        rows, at = self._journals.hook_rows, now_ms()
        return journal.note(
            HOOK_DISPOSED, hook_id, content, also=lambda connection: rows.dispose(connection, hook_id, at)
        )

    def _stored(self, run_id: str) -> RunRow:
        header = self._journals.get(run_id)
        if header is None:
            raise NotFound("SR-RUN-001", f"there is no run {run_id!r}", fix="it was deleted")
        return header

    def _create(
        self, call: RunCall, request: run_capability_pb2.CreateHookRequest
    ) -> run_capability_pb2.CreateHookResponse:
        check_token(request.token, may_be_empty=True)
        check_metadata(request.metadata, self._limits)
        run_id = call.run.run_id
        with self.locked(run_id):
            book = self.book(run_id)
            if (before := book.made.get(call.reference)) is not None:
                return self._made_before(run_id, book.hooks[before])
            if (other := book.refused.get(call.reference)) is not None:
                raise _taken(other)
            self._check_room(book)
            check_room(self._disk, "a hook", len(request.metadata))
            token = request.token or secrets.token_hex(TOKEN_BYTES)
            with self.claim(token):
                return self._made(call, token, request.metadata)

    def _made(self, call: RunCall, token: str, metadata: bytes) -> run_capability_pb2.CreateHookResponse:
        journal, rows = call.run.held_journal(), self._journals.hook_rows
        hook_id = new_hook_id()
        taken = self._journals.database.read(lambda connection: rows.find(connection, token))
        if taken is not None:
            conflict = journal_pb2.HookConflict(
                token=token, conflicting_run_id=taken.run_id, step=call.reference
            ).SerializeToString()
            journal.settle(journal.note(HOOK_CONFLICT, hook_id, conflict))
            raise _taken(taken.run_id)
        created = journal_pb2.HookCreated(token=token, metadata=metadata, step=call.reference).SerializeToString()
        row = rows.made(hook_id, journal.header, token, now_ms())
        journal.settle(
            journal.note(HOOK_CREATED, hook_id, created, also=lambda connection: rows.add(connection, row, token))
        )
        return run_capability_pb2.CreateHookResponse(hook_id=hook_id, token=token)

    def _made_before(self, run_id: str, hook: BookedHook) -> run_capability_pb2.CreateHookResponse:
        created = journal_pb2.HookCreated.FromString(self.content(run_id, hook.created_index))
        return run_capability_pb2.CreateHookResponse(hook_id=hook.hook_id, token=created.token)

    def content(self, run_id: str, index: int) -> bytes:
        """What an event of a run holds."""
        header = self._stored(run_id)
        page = self._journals.page(header, index, 1)
        if not page or page[0].content is None or page[0].row.index != index:
            raise self._journals.fault(header)
        return page[0].content

    def _check_room(self, book: HookBook) -> None:
        limit = self._limits.hooks_per_run_max
        if len(book.hooks) >= limit:
            raise LimitExceeded(
                "SR-HOOK-006",
                f"the run has made {len(book.hooks)} hooks, as many as a run may",
                fix="await a hook several times, or raise limits.hooks_per_run_max",
                size=len(book.hooks),
                limit=limit,
                setting="limits.hooks_per_run_max",
            )

    @contextmanager
    def claim(self, token: str) -> Iterator[None]:
        """The block looks for a token and takes it, and nobody else does so meanwhile."""
        with self._claims:
            self._claims.wait_for(lambda: token not in self._claimed)
            self._claimed.add(token)
        try:
            yield
        finally:
            with self._claims:
                self._claimed.discard(token)
                self._claims.notify_all()

    def _await(self, call: RunCall, request: run_capability_pb2.AwaitHookRequest) -> Taken | Later:
        run_id = call.run.run_id
        with self.locked(run_id):
            hook = _known(self.book(run_id), request.hook_id)
            index = hook.index_of(call.number)
            if index is None and hook.is_disposed:
                raise WrongState(
                    "SR-HOOK-008",
                    f"hook {hook.hook_id} was disposed of before payload {call.number} came",
                    fix="await a hook before it is disposed of",
                    hook_id=hook.hook_id,
                )
        if index is None:
            return Later(hook.hook_id, call.number)
        received = journal_pb2.HookReceived.FromString(self.content(run_id, index))
        return Taken(run_capability_pb2.AwaitHookResponse(payload=received.payload), request.hook_id, call.number)

    def _dispose(
        self, call: RunCall, request: run_capability_pb2.DisposeHookRequest
    ) -> run_capability_pb2.DisposeHookResponse:
        run_id = call.run.run_id
        with self.locked(run_id):
            hook = _known(self.book(run_id), request.hook_id)
            if not hook.is_disposed:
                journal = call.run.held_journal()
                journal.settle(self.note_disposed(journal, hook.hook_id, call.reference))
        call.run.calls.announce(hook.hook_id, ALL)
        return run_capability_pb2.DisposeHookResponse()


def _known(book: HookBook, hook_id: str) -> BookedHook:
    hook = book.get(hook_id)
    if hook is None:
        raise NotFound(
            "SR-HOOK-007",
            f"the run has no hook {hook_id[:80]!r}",
            why=f"it has made {len(book.hooks)}",
            fix="a workflow names a hook by the hook_id that CreateHook answered",
        )
    return hook


def _taken(run_id: str) -> Conflict:
    return Conflict(
        "SR-HOOK-005",
        f"the token belongs to a hook of run {run_id}",
        why="a token stands for one hook at a time, until that is disposed of or its run ends",
        fix="choose another one, or leave it out",
        conflicting_run_id=run_id,
    )
