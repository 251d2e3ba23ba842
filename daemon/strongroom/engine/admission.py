"""Accepting a run: the input is sealed and ``run_created`` is on disk before anyone hears "accepted".

The same run id, or the same event of the same trigger, finds the run that already stands, for as long as it is kept and
whatever became of its workflow meanwhile; an event of a trigger is remembered for longer than that.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from google.protobuf import any_pb2

from strongroom.engine.execution import draw_entropy, draw_seed
from strongroom.engine.handles import RunHandle
from strongroom.engine.host import EngineHost
from strongroom.engine.journal import JournalEvent, now_ms
from strongroom.engine.lifecycle import FINAL
from strongroom.engine.recorded import Recorded, limits_now
from strongroom.engine.requests import is_request, json_asked, message_asked, repeat_of, sealed_request
from strongroom.engine.run_journal import RunJournal
from strongroom.engine.runids import PREFIX, check_event_id, check_run_id, new_run_id
from strongroom.engine.running import Dispatcher
from strongroom.engine.specs import ACTIVE, Spec
from strongroom.engine.standing import taken
from strongroom.engine.start_record import StartRecord
from strongroom.engine.traced import mark_accepted
from strongroom.engine.triggers import wrap
from strongroom.engine.unsure import Unsure
from strongroom.errors import Conflict, InvalidInput, LimitExceeded, NotFound, Refused, Unavailable, WrongState
from strongroom.guest.ids import execution_id
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.storage import seen_events
from strongroom.storage.runs import RunRow

__all__ = ["Admission", "Start"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A wish to start a run. ``message`` wins over ``json``; empty ids are made here."""

    owner: str
    workflow: str
    run_id: str = ""
    trigger_index: int = 0
    event_id: str = ""
    message: any_pb2.Any | None = None
    json: bytes = b""

    def asked(self) -> bytes:
        """What the caller wants the guest to get, as the caller said it: equal wishes are told by it."""
        return message_asked(self.message) if self.message is not None else json_asked(self.json)


class Admission:
    """Accepts runs, and gives each of them to ``dispatcher``.

    A run that stands although this host does not execute it, since storing it was told to have failed, is handed to
    ``take_up`` before anybody hears of it.
    """

    def __init__(self, host: EngineHost, dispatcher: Dispatcher, take_up: Callable[[str], None]) -> None:
        self._take_up = take_up
        self._unsure = Unsure(take_up, lambda: host.journals.stopped)
        self._host = host
        self._limits = host.limits
        self._dispatcher = dispatcher

    def start(self, wish: Start) -> tuple[RunRow, bool]:
        """The header of the run and whether it is new; it is on disk when this returns."""
        try:
            run_id = check_run_id(wish.run_id) if wish.run_id else new_run_id()
            event_id = check_event_id(wish.event_id) or run_id
            spec = self._host.specs.to_start(wish.owner, wish.workflow)
            payload = self._payload(spec, wish)
            header = self._header(spec, run_id, wish.trigger_index, event_id, wish.asked())
            self._startable(spec, payload.ByteSize())
        except (Refused, Unavailable):
            # What was accepted before stays accepted, whatever speaks against it now, or cannot be asked now.
            found = self._found(wish)
            if found is not None and self._is_same(found, wish):
                return self._going_on(found), False
            raise
        created = self._created(wish.trigger_index, payload)

        def standing() -> RunRow:
            found = self._found(replace(wish, run_id=run_id, workflow=spec.workflow_id)) or self._of_event(header)
            if found is None or not self._is_same(found, replace(wish, run_id=run_id)):
                raise taken(found, run_id)
            return found

        return self._accepted(spec, header, created, (), standing)

    def accept(self, spec: Spec, trigger_index: int, event_id: str, payload: any_pb2.Any) -> tuple[RunRow, bool]:
        """The run of a trigger's event and whether it is new; it is on disk when this returns.

        The event's id alone tells whether it was there before, also when its run is gone; then only its id is known.
        """
        check_event_id(event_id)
        self._check_trigger(spec, trigger_index)
        self._check_payload_size(size := payload.ByteSize())
        self._startable(spec, size)
        wish = Start(owner=spec.row.workflow_owner, workflow=spec.workflow_id, message=payload)
        header = self._header(spec, new_run_id(), trigger_index, event_id, wish.asked())

        def standing() -> RunRow:
            found = self._of_event(header)
            if found is not None:
                return found
            key = header.workflow_id, trigger_index, event_id
            gone = self._host.journals.database.read(lambda connection: seen_events.run_of(connection, *key))
            return replace(header, run_id=gone or "", status="")

        return self._accepted(spec, header, self._created(trigger_index, payload), (), standing, once=True)

    def repeat(
        self, spec: Spec, header: RunRow, created: journal_pb2.RunCreated, steps: Sequence[JournalEvent], *, run_id: str
    ) -> tuple[RunRow, bool]:
        """A new run of what ``header`` ran, begun with ``created``, whose journal holds the events ``steps`` already.

        ``spec`` is the workflow's record that was compared with ``header``. The header of the run and whether it is
        new; it is on disk when this returns.
        """
        self._startable(spec, created.ByteSize() + sum(len(each.content or b"") for each in steps))
        asked = repeat_of(header.run_id, created.from_step)
        new = self._header(spec, run_id, header.trigger_index, run_id, asked)
        new = replace(new, parent_run_id=header.run_id)

        def standing() -> RunRow:
            found = self._host.journals.get(run_id)
            if found is None or not is_request(self._host.keys, found, asked):
                raise taken(found, run_id)
            return found

        return self._accepted(spec, new, created, steps, standing)

    def repeated(self, parent_id: str, from_step: str, run_id: str) -> RunRow | None:
        """The run ``run_id`` when it repeats run ``parent_id`` from that step, which may be gone by now."""
        found = self._host.journals.get(run_id) if run_id.startswith(PREFIX) else None
        if found is None or not is_request(self._host.keys, found, repeat_of(parent_id, from_step)):
            return None
        return self._going_on(found)

    def _accepted(
        self,
        spec: Spec,
        header: RunRow,
        created: journal_pb2.RunCreated,
        steps: Sequence[JournalEvent],
        standing: Callable[[], RunRow],
        *,
        once: bool = False,
    ) -> tuple[RunRow, bool]:
        """Store the run and have it executed, unless one stands for it already."""
        mark_accepted(header, created)
        journal = RunJournal(self._host.journals, header)
        handle = RunHandle(header.run_id, header.module, header.workflow_id, header.workflow_owner, journal, spec=spec)
        handle.recorded = None if steps else Recorded(created)
        try:
            while (known := self._dispatcher.reserve(handle, created.ByteSize())) is not handle:
                # Somebody else starts the same run: once that is stored or refused, it stands or the place is free.
                known.stored.wait()
                if self._host.journals.get(header.run_id) is not None:
                    return self._going_on(standing()), False
        except Unavailable:
            # No room for one more, but what stands already has its own.
            if self._host.journals.get(header.run_id) is None and self._of_event(header) is None:
                raise
            return self._going_on(standing()), False
        more = [(each.row.event_type, each.row.correlation_id, each.content or b"") for each in steps]
        on_record = StartRecord(self._host.audit, header)
        try:
            on_record.beside(journal, lambda: journal.begin(created.SerializeToString(), spec.row.mac, more, once=once))
        except BaseException as error:
            self._dispatcher.release(handle)
            if isinstance(error, Conflict):
                return self._going_on(standing()), False
            if not on_record.is_stored:
                self._unsure.note(header.run_id, error)
            raise
        accepted = journal.header
        self._host.counts.run_started()
        self._dispatcher.submit(handle)
        return accepted, True

    def _going_on(self, found: RunRow) -> RunRow:
        if found.status and found.status not in FINAL:
            self._take_up(found.run_id)
        return found

    def _header(self, spec: Spec, run_id: str, trigger_index: int, event_id: str, asked: bytes) -> RunRow:
        header = RunRow(
            run_id=run_id,
            execution_id=execution_id(spec.workflow_id, event_id, trigger_index),
            workflow_id=spec.workflow_id,
            workflow_name=spec.row.workflow_name,
            workflow_owner=spec.row.workflow_owner,
            trigger_index=trigger_index,
            event_id=event_id,
            status="pending",
            module=self._host.selection.module_of(spec, trigger_index),
            backend="",
            insecure=0,
            binary_sha256=spec.row.binary_sha256,
            created_at=now_ms(),
            started_at=0,
            finished_at=0,
            request_digest=b"",
            head_index=0,
            head_tag=b"",
            input_bytes=0,
            output_bytes=0,
            error_code="",
            key_version=self._host.keys.writing_version,
            epoch=0,
            mac=b"",
        )
        return replace(header, request_digest=sealed_request(self._host.keys, header, asked))

    def _created(self, trigger_index: int, payload: any_pb2.Any) -> journal_pb2.RunCreated:
        trigger = sdk_pb2.Trigger(id=trigger_index, payload=payload)
        created = limits_now(self._host.limits)
        created.trigger = trigger.SerializeToString(deterministic=True)
        created.node_seed, created.entropy = draw_seed(), draw_entropy()
        created.accepted_unix_ns = time.time_ns()
        return created

    def _startable(self, spec: Spec, size: int) -> None:
        self._host.audit.check()
        self._host.disk.check("a new run", size)
        if spec.row.status != ACTIVE:
            raise WrongState(
                "SR-WF-002",
                f"workflow {spec.row.workflow_name} is {spec.row.status}",
                fix=f"strongroom workflow activate {spec.row.workflow_name}",
                workflow_id=spec.workflow_id,
            )

    def _payload(self, spec: Spec, wish: Start) -> any_pb2.Any:
        self._check_trigger(spec, wish.trigger_index)
        subscription = spec.subscriptions[wish.trigger_index]
        # Before it is parsed: what JSON becomes in memory is many times its text.
        self._check_payload_size(len(wish.json))
        payload = wish.message or wrap(subscription.id, subscription.method, wish.json)
        self._check_payload_size(payload.ByteSize())
        return payload

    @staticmethod
    def _check_trigger(spec: Spec, trigger_index: int) -> None:
        if trigger_index >= len(spec.subscriptions):
            raise InvalidInput(
                "SR-RUN-002",
                f"workflow {spec.row.workflow_name} has no trigger {trigger_index}",
                why=f"it subscribed to {len(spec.subscriptions)}",
                fix="strongroom workflow get lists them",
                field="trigger_index",
            )

    def _check_payload_size(self, size: int) -> None:
        if size > self._limits.payload_bytes_max:
            raise LimitExceeded(
                "SR-RUN-013",
                f"the payload is {size} bytes, more than {self._limits.payload_bytes_max}",
                fix="pass a reference to large data instead",
                size=size,
                limit=self._limits.payload_bytes_max,
                setting="limits.payload_bytes_max",
            )

    def _found(self, wish: Start) -> RunRow | None:
        """The run that stands for the wish's run id, or for its event where the workflow is named by its id."""
        by_id = self._host.journals.get(wish.run_id) if wish.run_id.startswith(PREFIX) else None
        if by_id is not None or not wish.event_id:
            return by_id
        try:
            workflow_id = self._host.specs.to_start(wish.owner, wish.workflow).workflow_id
        except NotFound:
            workflow_id = wish.workflow
        return self._host.journals.get_by_event(workflow_id, wish.trigger_index, wish.event_id)

    def _of_event(self, header: RunRow) -> RunRow | None:
        return self._host.journals.get_by_event(header.workflow_id, header.trigger_index, header.event_id)

    def _is_same(self, found: RunRow, wish: Start) -> bool:
        """Whether the run was started by the same wish. Its workflow may be gone, or its name be another one's."""
        return (
            found.workflow_owner == wish.owner
            and wish.workflow in {found.workflow_id, found.workflow_name}
            and found.trigger_index == wish.trigger_index
            and found.event_id == (wish.event_id or wish.run_id)
            and is_request(self._host.keys, found, wish.asked())
        )
