"""Hooks for whoever is outside: how one stands, what is left for its run, and taking it away.

A payload is acknowledged once the journal of the run has it on the disk. It comes to a run that is queued, executes,
waits or is not even in memory; one that waits for it is woken.
"""

import secrets
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from strongroom.engine.engine import Engine
from strongroom.engine.event_types import HOOK_RECEIVED
from strongroom.engine.handles import RunHandle
from strongroom.engine.hook_book import ALL, BookedHook, HookBook, digest_of
from strongroom.engine.hook_limits import check_payload, check_request_id, check_token
from strongroom.engine.hook_rows import HOOK_PREFIX
from strongroom.engine.hooks import Hooks
from strongroom.engine.host import EngineHost
from strongroom.engine.lifecycle import FINAL, RunState
from strongroom.engine.run_journal import RunJournal
from strongroom.errors import Conflict, LimitExceeded, NotFound, WrongState
from strongroom.modules.route import CONFIDENTIAL, LOCAL
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.storage import hooks as rows
from strongroom.storage.hooks import HookRow
from strongroom.storage.runs import RunRow

__all__ = ["HookDesk", "HookReport", "Left", "no_hook"]

REQUEST_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class HookReport:
    """How a hook stands. ``booked`` is nothing when its row is not authentic: then nothing of ``row`` is trusted."""

    row: HookRow
    booked: BookedHook | None
    is_ended: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """A payload that is on the disk: which hook has it, under which number, and whether it is new."""

    hook_id: str
    run_id: str
    number: int
    created: bool


class HookDesk:
    """Answers whoever knows a token or an id."""

    def __init__(self, host: EngineHost, engine: Engine) -> None:
        self._journals = host.journals
        self._limits = host.limits
        self._disk = host.disk
        self._hooks: Hooks = host.hooks
        self._engine = engine

    def get(self, *, token: str = "", hook_id: str = "") -> tuple[RunRow, HookReport]:
        """The header of the run, and how a hook stands. Raises ``NotFound``, ``Tampered``."""
        row = self._row(token, hook_id)
        header = self._engine.get(row.run_id)
        return header, self._report(row, header)

    def owner_of(self, *, token: str = "", hook_id: str = "") -> str:
        """Whose the run of a hook is. Raises ``NotFound``, ``Tampered``."""
        return self._engine.get(self._row(token, hook_id).run_id).workflow_owner

    def opened(self, report: HookReport) -> journal_pb2.HookCreated:
        """Its token and metadata."""
        booked = self._booked(report.row)
        return journal_pb2.HookCreated.FromString(self._hooks.content(report.row.run_id, booked.created_index))

    def page(self, run_id: str, *, after: str, limit: int) -> list[HookReport]:
        """Up to ``limit`` hooks of a run behind the id ``after``."""
        header = self._engine.get(run_id)
        found = self._journals.database.read(partial(rows.page, run_id=header.run_id, after=after, limit=limit))
        return [self._report(row, header) for row in found]

    def resume(self, payload: bytes, request_id: str = "", *, token: str = "", hook_id: str = "") -> Left:
        """Leave a payload. It is on disk when this returns; the same ``request_id`` again leaves nothing.

        Raises ``NotFound`` for a token or id that is not known, ``WrongState`` for a hook that was disposed of or whose
        run has ended, ``Conflict`` for a request id that brought another payload, ``LimitExceeded``.
        """
        check_payload(payload, self._limits)
        check_request_id(request_id)
        row = self._row(token, hook_id)
        # With an id of its own, what is written again after a fault of the disk is known for what it is.
        sent = _Sent(payload, request_id or secrets.token_hex(REQUEST_BYTES))
        with self._hooks.locked(row.run_id):
            left = self._known(row, sent)
            if left is None:
                left = self._leave(row, sent)
        return left

    def dispose(self, *, token: str = "", hook_id: str = "") -> HookReport:
        """Take a hook away, whose token is free when this returns. One that was disposed of is left as it is.

        Raises ``NotFound``, and ``WrongState`` when its run has ended.
        """
        row = self._row(token, hook_id)
        with self._hooks.locked(row.run_id):

            def write(journal: RunJournal) -> "Future[None]":
                if self._booked(row).is_disposed:
                    return _done()
                return self._hooks.note_disposed(journal, row.hook_id, "")

            handle, header = self._written(row, write)
            self._tell(handle, header, row, ALL)
        return self.get(hook_id=row.hook_id)[1]

    def _known(self, row: HookRow, sent: "_Sent") -> Left | None:
        """What stands for a request that came before, whatever became of the hook since."""
        before = self._booked(row).requests.get(digest_of(sent.request_id.encode()))
        if before is None:
            return None
        number, digest = before
        if digest != digest_of(sent.payload):
            raise Conflict(
                "SR-HOOK-016",
                f"request {sent.request_id} brought another payload to hook {row.hook_id} before",
                fix="give every payload a request id of its own",
                hook_id=row.hook_id,
            )
        return Left(row.hook_id, row.run_id, number, created=False)

    def _leave(self, row: HookRow, sent: "_Sent") -> Left:
        book = self._hooks.book(row.run_id)
        self._check_room(self._open(row, book), book, len(sent.payload))
        self._disk.check("a payload of a hook", len(sent.payload))
        content = journal_pb2.HookReceived(payload=sent.payload, request_id=sent.request_id).SerializeToString()

        def write(journal: RunJournal) -> "Future[None]":
            # What the disk has may be more than was told: a write before this one may have got there.
            if self._known(row, sent) is not None:
                return _done()
            return journal.note(HOOK_RECEIVED, row.hook_id, content)

        handle, header = self._written(row, write)
        left = self._known(row, sent)
        if left is None:
            raise self._journals.fault(header)
        self._tell(handle, header, row, left.number)
        return replace(left, created=True)

    def _written(self, row: HookRow, write: "Callable[[RunJournal], Future[None]]") -> tuple[RunHandle, RunRow]:
        if (module := self._engine.get(row.run_id).module) not in {LOCAL, CONFIDENTIAL}:
            raise WrongState(
                "SR-HOOK-024",
                f"run {row.run_id} is not executed by this host",
                why=f"its module is {module}, and whoever executes it appends what its hooks receive",
                fix="append hook_received or hook_disposed through WorldService",
                run_id=row.run_id,
            )
        handle, header = self._engine.written(row.run_id, write)
        if handle is None or header is None:
            raise _ended(row)
        return handle, header

    def _tell(self, handle: RunHandle, header: RunRow, row: HookRow, number: int) -> None:
        """Wake the run if it waits for what has come. Whoever has it in memory is told; of others the journal tells."""
        handle.calls.announce(row.hook_id, number)
        if not handle.retired and header.status != RunState.WAITING:
            return
        if self._hooks.book(row.run_id).is_over and handle.calls.is_idle:
            self._engine.dispatcher.wake(row.run_id)
        else:
            self._engine.dispatcher.rest(handle)

    def _open(self, row: HookRow, book: HookBook) -> BookedHook:
        booked = self._booked(row, book)
        if booked.is_disposed:
            raise WrongState(
                "SR-HOOK-018",
                f"hook {row.hook_id} was disposed of",
                why="it takes nothing any more",
                fix="ask the run's owner for another hook",
                hook_id=row.hook_id,
            )
        return booked

    def _booked(self, row: HookRow, book: HookBook | None = None) -> BookedHook:
        booked = (book or self._hooks.book(row.run_id)).hooks.get(row.hook_id)
        if booked is None:
            raise self._journals.fault(self._engine.get(row.run_id))
        return booked

    def _check_room(self, booked: BookedHook, book: HookBook, size: int) -> None:
        limits = self._limits
        if booked.unread >= limits.hook_payloads_unread_max:
            raise LimitExceeded(
                "SR-HOOK-019",
                f"hook {booked.hook_id} has {booked.unread} payloads that its run has not taken, as many as it may",
                fix="wait until the run takes some, or raise limits.hook_payloads_unread_max",
                size=booked.unread,
                limit=limits.hook_payloads_unread_max,
                setting="limits.hook_payloads_unread_max",
            )
        if book.payload_bytes + size > limits.hook_bytes_per_run_max:
            raise LimitExceeded(
                "SR-HOOK-020",
                f"payloads of hooks of the run would have {book.payload_bytes + size} bytes together, more than"
                f" {limits.hook_bytes_per_run_max}",
                fix="send references to large data, or raise limits.hook_bytes_per_run_max",
                size=book.payload_bytes + size,
                limit=limits.hook_bytes_per_run_max,
                setting="limits.hook_bytes_per_run_max",
            )

    def _report(self, row: HookRow, header: RunRow) -> HookReport:
        if not self._journals.hook_rows.is_authentic(row):
            return HookReport(row, None)
        with self._hooks.locked(row.run_id):
            booked = self._hooks.book(row.run_id).hooks.get(row.hook_id)
        return HookReport(row, booked, is_ended=header.status in FINAL)

    def _row(self, token: str, hook_id: str) -> HookRow:
        if hook_id:
            row = self._journals.database.read(lambda connection: rows.get(connection, hook_id))
        else:
            check_token(token)
            row = self._journals.database.read(lambda connection: self._journals.hook_rows.find(connection, token))
        if row is None:
            raise no_hook(hook_id=hook_id)
        return self._journals.hook_rows.verified(row)


@dataclass(frozen=True, slots=True)
class _Sent:
    payload: bytes = field(repr=False)
    request_id: str


def _done() -> "Future[None]":
    done: Future[None] = Future()
    done.set_result(None)
    return done


def no_hook(*, hook_id: str = "") -> NotFound:
    """A hook that is not there, or not for whoever asks. A token is never repeated."""
    return NotFound(
        "SR-HOOK-017",
        f"there is no hook {hook_id[:80]!r}" if hook_id else "there is no hook with this token",
        why="" if hook_id else "a token is forgotten once its hook is disposed of, or its run has ended",
        fix=f"strongroom hook list RUN shows the hooks of a run, each by its id ({HOOK_PREFIX}…)",
    )


def _ended(row: HookRow) -> WrongState:
    return WrongState(
        "SR-HOOK-021",
        f"the run of hook {row.hook_id} has ended",
        why=f"run {row.run_id} takes nothing any more",
        fix=f"strongroom run get {row.run_id} shows how it ended",
        hook_id=row.hook_id,
        run_id=row.run_id,
    )
