"""Runs, as the contract has them: read as views, and cancelled many at a time."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from strongroom.engine.external import is_external
from strongroom.engine.history import History, no_run
from strongroom.engine.lifecycle import FINAL, RunState
from strongroom.engine.world.contents import read_event
from strongroom.engine.world.drafts import Draft
from strongroom.engine.world.events import WorldEvents
from strongroom.engine.world.faults import invalid, too_many
from strongroom.engine.world.ledger import Ledger
from strongroom.engine.world.rules import EventType, RunStatus
from strongroom.engine.world.views import Book, RunView
from strongroom.errors import KeyMissing, StrongroomError, Tampered, TimedOut
from strongroom.pb.strongroom.world.v1.event_data_pb2 import EventData
from strongroom.storage.runs import RunRow

__all__ = ["Cancelled", "Report", "WorldRuns", "checked_ids"]

IDS_MAX: Final = 500
"""The contract's own limit of ids in one call."""
CONTENT_BYTES_MAX: Final = 32_000_000
"""Contents of runs that are in memory for one call."""
STATES: Final[dict[RunStatus, tuple[RunState, ...]]] = {
    RunStatus.PENDING: (RunState.PENDING,),
    RunStatus.RUNNING: (RunState.RUNNING, RunState.WAITING),
    RunStatus.COMPLETED: (RunState.COMPLETED,),
    RunStatus.FAILED: (RunState.FAILED, RunState.TIMED_OUT),
    RunStatus.CANCELLED: (RunState.CANCELLED,),
}
"""What the contract calls the states of runs of this host."""
Allowed = Callable[[RunRow], bool]
STATUS: Final = {state.value: status for status, states in STATES.items() for state in states}


@dataclass(frozen=True, slots=True)
class Report:
    """A run: its header, its view, and its contents where they were asked for."""

    header: RunRow
    view: RunView
    data: EventData | None = field(default=None, repr=False)

    @property
    def content_bytes(self) -> int:
        """The size of its contents."""
        return self.data.ByteSize() if self.data is not None else 0


@dataclass(frozen=True, slots=True)
class Cancelled:
    """How cancelling went with one run; ``error`` says why it did not."""

    run_id: str
    header: RunRow | None = None
    error: StrongroomError | None = None


def checked_ids(untrusted_ids: Sequence[str]) -> Sequence[str]:
    """Ids of one call. Raises ``LimitExceeded`` for too many, ``InvalidInput`` for one that comes twice."""
    if len(untrusted_ids) > IDS_MAX:
        raise too_many("SR-WORLD-028", "run ids of one call", len(untrusted_ids), IDS_MAX, "run_ids_max")
    if len(set(untrusted_ids)) != len(untrusted_ids):
        raise invalid("SR-WORLD-035", "a run id is named twice", "run_ids", fix="name each run once")
    return untrusted_ids


class WorldRuns:
    """Reads runs; ``opened`` asks for their contents."""

    def __init__(self, ledger: Ledger, history: History, events: WorldEvents) -> None:
        self._ledger = ledger
        self._history = history
        self._events = events

    def get(self, run_id: str, *, opened: bool = False) -> Report:
        """One run. Raises ``NotFound``, ``Tampered``, ``KeyMissing``."""
        header, book = self._ledger.read(run_id)
        return Report(header, book.run, self._contents(header, book) if opened else None)

    def get_many(
        self, run_ids: Sequence[str], *, opened: bool = False, is_allowed: Allowed = lambda _header: True
    ) -> Sequence[Report]:
        """Those of the runs that are there and allowed, by their order.

        Raises ``InvalidInput``, and ``LimitExceeded``, also for contents that are too large together.
        """
        reports: list[Report] = []
        size = 0
        for run_id in checked_ids(run_ids):
            row = self._ledger.find(run_id)
            if row is not None and is_allowed(row):
                reports.append(self.get(run_id, opened=opened))
                size += reports[-1].content_bytes
            if size > CONTENT_BYTES_MAX:
                raise too_many("SR-WORLD-043", "bytes of the runs of one call", size, CONTENT_BYTES_MAX, "run_ids")
        return reports

    def list(
        self,
        *,
        owners: Collection[str] | None = None,
        workflow_name: str = "",
        status: str = "",
        before: tuple[int, str] | None = None,
        limit: int,
    ) -> list[tuple[RunRow, RunView | None]]:
        """Up to ``limit`` runs, the newest first, behind ``before``: creation time and id of the last one before.

        A run that failed authentication has no view. Raises ``InvalidInput``.
        """
        if status and status not in STATES:
            raise invalid("SR-WORLD-039", f"{status[:40]!r} is no status of a run", "status", fix="see docs/world.md")
        page = self._history.page(
            workflow_id="",
            workflow_name=workflow_name,
            owners=owners,
            statuses=STATES[RunStatus(status)] if status else (),
            before=before,
            limit=limit,
        )
        return [(row, self._brief(row) if authentic else None) for row, authentic in page]

    def wait(self, run_id: str, timeout_s: float, *, is_wanted: Callable[[], bool] = lambda: True) -> Report:
        """The run once it has ended. Raises ``TimedOut`` when it has not after ``timeout_s``, and as ``get`` does."""
        deadline_s = time.monotonic() + timeout_s
        with self._history.watch(run_id) as watch:
            while is_wanted():
                watch.seen()
                if self._ledger.header(run_id).status in FINAL:
                    return self.get(run_id)
                if time.monotonic() >= deadline_s:
                    break
                watch.wait()
        raise TimedOut(
            "SR-WORLD-032",
            f"run {run_id} has not ended within the deadline of this call",
            fix="it goes on: ask again",
            run_id=run_id,
        )

    def cancel_many(
        self, run_ids: Sequence[str], reason: str = "", *, is_allowed: Allowed = lambda _header: True
    ) -> Sequence[Cancelled]:
        """Append ``run_cancelled`` to each run, and tell how it went. Raises ``LimitExceeded``, ``InvalidInput``."""
        return [self._cancelled(run_id, reason, is_allowed) for run_id in checked_ids(run_ids)]

    def _cancelled(self, run_id: str, reason: str, is_allowed: Allowed) -> Cancelled:
        data = EventData(cancel_reason=reason)
        try:
            header = self._ledger.find(run_id)
            if header is not None and not is_allowed(header):
                # Not there, for whoever asks.
                header = None
            if header is None:
                return Cancelled(run_id, error=no_run(run_id))
            answer = self._events.create(run_id, Draft(EventType.RUN_CANCELLED.value, "", data), owner="")
        except StrongroomError as error:
            return Cancelled(run_id, error=error)
        return Cancelled(run_id, answer.header)

    def _brief(self, header: RunRow) -> RunView | None:
        """A run of a list: what its header, its first and its last event say."""
        view = RunView(
            run_id=header.run_id,
            status=STATUS[header.status],
            workflow_name=header.workflow_name,
            error_code=header.error_code,
            created_at=header.created_at,
            started_at=header.started_at,
            ended_at=header.finished_at,
        )
        try:
            last = self._ledger.journals.page(header, header.head_index, 1)
            view = replace(view, updated_at=last[0].row.created_at if last else header.created_at)
            if is_external(header):
                first = self._ledger.journals.page(header, 0, 1)
                data = read_event(header, first[0]).data if first else EventData()
                view = replace(
                    view,
                    deployment_id=data.deployment_id,
                    encryption_public_key=data.encryption_public_key,
                    spec_version=data.spec_version,
                )
        except (Tampered, KeyMissing):
            return None
        return view

    def _contents(self, header: RunRow, book: Book) -> EventData:
        first = self._ledger.event(header, book, 0).data
        data = EventData(attributes=book.run.attributes)
        for name in ("input", "execution_context"):
            if first.HasField(name):
                setattr(data, name, getattr(first, name))
        if book.run.end_index >= 0:
            end = self._ledger.event(header, book, book.run.end_index).data
            data.MergeFrom(end)
        return data
