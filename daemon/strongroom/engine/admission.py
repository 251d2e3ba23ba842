"""Accepting a run: the input is sealed and ``run_created`` is on disk before anyone hears "accepted".

The same run id, or the same event of the same trigger, finds the run that already stands.
"""

from dataclasses import dataclass
from typing import Final

from google.protobuf import any_pb2

from strongroom.engine.execution import draw_seed
from strongroom.engine.host import EngineHost
from strongroom.engine.journal import now_ms
from strongroom.engine.run_journal import RunJournal
from strongroom.engine.runids import check_run_id, new_run_id
from strongroom.engine.running import Dispatcher, RunHandle
from strongroom.engine.specs import ACTIVE, Spec
from strongroom.engine.triggers import wrap
from strongroom.errors import Conflict, InvalidInput, LimitExceeded, WrongState
from strongroom.guest.ids import execution_id
from strongroom.keyring.root import RUN_REQUESTS
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.storage.runs import RunRow

__all__ = ["Admission", "Start"]

EVENT_ID_BYTES_MAX: Final = 256
"""An event id is a time, a request id or a hash; it is stored in the clear and indexed."""


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


class Admission:
    """Accepts runs, and gives each of them to ``dispatcher``."""

    def __init__(self, host: EngineHost, dispatcher: Dispatcher) -> None:
        self._host = host
        self._limits = host.limits
        self._dispatcher = dispatcher

    def start(self, wish: Start) -> tuple[RunRow, bool]:
        """The header of the run and whether it is new; it is on disk when this returns."""
        spec = self._host.specs.find(wish.owner, wish.workflow)
        trigger = self._trigger(spec, wish)
        run_id = check_run_id(wish.run_id) if wish.run_id else new_run_id()
        event_id = _checked_event_id(wish.event_id) or run_id
        serialized = trigger.SerializeToString(deterministic=True)
        key_version = self._host.keys.writing_version
        header = RunRow(
            run_id=run_id,
            execution_id=execution_id(spec.workflow_id, event_id, wish.trigger_index),
            workflow_id=spec.workflow_id,
            workflow_name=spec.row.workflow_name,
            workflow_owner=spec.row.workflow_owner,
            trigger_index=wish.trigger_index,
            event_id=event_id,
            status="pending",
            module=self._host.selection.module_of(spec, wish.trigger_index),
            backend="",
            insecure=0,
            binary_sha256=spec.row.binary_sha256,
            created_at=now_ms(),
            started_at=0,
            finished_at=0,
            request_digest=self._digest(key_version, spec.workflow_id, event_id, serialized),
            head_index=0,
            head_tag=b"",
            input_bytes=0,
            output_bytes=0,
            error_code="",
            key_version=key_version,
            epoch=0,
            mac=b"",
        )
        self._startable(spec)
        handle = RunHandle(RunJournal(self._host.journals, header), serialized, draw_seed(), spec)
        while (known := self._dispatcher.reserve(handle)) is not handle:
            # Somebody else starts the same run: once that is stored or refused, it stands or the place is free.
            known.stored.wait()
            if self._host.journals.get(run_id) is not None:
                return self._standing(header, serialized), False
        try:
            content = journal_pb2.RunCreated(trigger=serialized, node_seed=handle.node_seed)
            handle.journal.begin(content.SerializeToString(), spec.row.mac).result()
        except Conflict:
            self._dispatcher.release(handle)
            return self._standing(header, serialized), False
        except BaseException:
            self._dispatcher.release(handle)
            raise
        self._dispatcher.submit(handle)
        return handle.journal.header, True

    def _startable(self, spec: Spec) -> None:
        if spec.row.status != ACTIVE:
            raise WrongState(
                "SR-WF-002",
                f"workflow {spec.row.workflow_name} is {spec.row.status}",
                fix=f"strongroom workflow activate {spec.row.workflow_name}",
                workflow_id=spec.workflow_id,
            )

    def _trigger(self, spec: Spec, wish: Start) -> sdk_pb2.Trigger:
        if wish.trigger_index >= len(spec.subscriptions):
            raise InvalidInput(
                "SR-RUN-002",
                f"workflow {spec.row.workflow_name} has no trigger {wish.trigger_index}",
                why=f"it subscribed to {len(spec.subscriptions)}",
                fix="strongroom workflow get lists them",
                field="trigger_index",
            )
        subscription = spec.subscriptions[wish.trigger_index]
        payload = wish.message or wrap(subscription.id, subscription.method, wish.json)
        if payload.ByteSize() > self._limits.payload_bytes_max:
            raise LimitExceeded(
                "SR-RUN-013",
                f"the payload is {payload.ByteSize()} bytes, more than {self._limits.payload_bytes_max}",
                fix="pass a reference to large data instead",
                size=payload.ByteSize(),
                limit=self._limits.payload_bytes_max,
                setting="limits.payload_bytes_max",
            )
        return sdk_pb2.Trigger(id=wish.trigger_index, payload=payload)

    def _digest(self, key_version: int, workflow_id: str, event_id: str, trigger: bytes) -> bytes:
        place = f"{workflow_id}|{len(event_id)}|{event_id}|".encode()
        return self._host.keys.fingerprint(RUN_REQUESTS, place + trigger, key_version=key_version)

    def _standing(self, wanted: RunRow, trigger: bytes) -> RunRow:
        """The run that already stands for this id or event. Raises ``Conflict`` when it was started otherwise."""
        journals = self._host.journals
        found = journals.get(wanted.run_id) or journals.get_by_event(
            wanted.workflow_id, wanted.trigger_index, wanted.event_id
        )
        digest = found and self._digest(found.key_version, wanted.workflow_id, wanted.event_id, trigger)
        if found is None or digest != found.request_digest:
            raise Conflict(
                "SR-RUN-014",
                f"run {wanted.run_id} or its event exists and was started with another workflow, trigger or payload",
                fix="use a new run id and event id for a new run",
                run_id=wanted.run_id,
            )
        return found


def _checked_event_id(untrusted_id: str) -> str:
    if len(untrusted_id.encode()) > EVENT_ID_BYTES_MAX:
        raise LimitExceeded(
            "SR-RUN-016",
            f"the event id is longer than {EVENT_ID_BYTES_MAX} bytes",
            fix="use a hash of it",
            size=len(untrusted_id.encode()),
            limit=EVENT_ID_BYTES_MAX,
            setting="event_id_bytes_max",
        )
    return untrusted_id
