"""Records as API messages."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from google.protobuf import timestamp_pb2

from strongroom.engine.event_types import FIELDS
from strongroom.engine.journal import JournalEvent
from strongroom.engine.registration import Registration
from strongroom.engine.specs import PAUSED, Spec, TamperedSpec
from strongroom.engine.subscription import SubscriptionReport
from strongroom.engine.subscription_states import SubscriptionState
from strongroom.engine.triggers import only_by_hand
from strongroom.engine.unreadable import Unreadable
from strongroom.modules.route import module_name
from strongroom.pb.strongroom.v1 import run_pb2, workflow_pb2
from strongroom.storage.runs import RunRow

__all__ = [
    "event_message",
    "run_message",
    "tampered_run_message",
    "tampered_workflow_message",
    "unreadable_message",
    "workflow_message",
]

ENCODINGS: Final = {"raw": workflow_pb2.ENCODING_RAW, "brotli": workflow_pb2.ENCODING_BROTLI}


def workflow_message(
    spec: Spec,
    registration: Registration,
    reports: Sequence[SubscriptionReport],
    warnings: list[str] | None = None,
) -> workflow_pb2.Workflow:
    """A workflow record; config and binary stay where they are. ``reports`` say how its subscriptions stand.

    ``warnings`` are those of a registration, which also warns of triggers that do not listen.
    """
    row = spec.row
    if warnings is not None:
        warnings = [*warnings, *_silent(reports)]
    stands = {report.index: report for report in reports}
    subscriptions = [
        _subscription(index, spec, registration.place(spec, index), stands.get(index))
        for index in range(len(spec.subscriptions))
    ]
    paused = row.status == PAUSED
    return workflow_pb2.Workflow(
        workflow_id=row.workflow_id,
        owner=row.workflow_owner,
        name=row.workflow_name,
        tag=row.workflow_tag,
        status=workflow_pb2.WORKFLOW_STATUS_PAUSED if paused else workflow_pb2.WORKFLOW_STATUS_ACTIVE,
        module=module_name(spec.attributes),
        binary_sha256=row.binary_sha256,
        binary_bytes=row.binary_bytes,
        encoding=ENCODINGS[row.encoding],
        attributes=row.attributes.decode("utf-8"),
        binary_url=row.binary_url,
        subscriptions=subscriptions,
        create_time=_time(row.created_at),
        update_time=_time(row.updated_at),
        warnings=warnings or [],
        sdk_label=row.sdk_label,
        config_sha256=hashlib.sha256(spec.config).hexdigest(),
    )


def _silent(reports: Sequence[SubscriptionReport]) -> Iterator[str]:
    """What whoever registers must know: no event of these triggers starts a run."""
    for report in reports:
        if report.state is SubscriptionState.DEGRADED:
            when = "never starts a run" if report.final else "starts no run yet and is tried again"
            yield f"trigger {report.index} ({report.capability_id}) {when}: {report.reason}"


def _subscription(
    index: int, spec: Spec, place: tuple[str, str], report: SubscriptionReport | None
) -> workflow_pb2.Subscription:
    module, reason = place
    subscription = spec.subscriptions[index]
    message = workflow_pb2.Subscription(
        index=index,
        capability_id=subscription.id,
        method=subscription.method,
        available=not reason and not (report and report.final),
        reason=reason or only_by_hand(subscription),
        pre_hook=subscription.pre_hook,
        module=module,
    )
    if report is not None:
        message.state = report.state.value
        message.reason = message.reason or report.reason
        message.events_accepted, message.events_repeated = report.accepted, report.repeated
        message.events_refused, message.last_refusal = report.refused, report.last_refusal
        if report.last_event_ms:
            message.last_event_time.CopyFrom(_time(report.last_event_ms))
    return message


def tampered_workflow_message(tampered: TamperedSpec) -> workflow_pb2.Workflow:
    """A record that failed authentication: what it claims to be, and nothing else of it."""
    return workflow_pb2.Workflow(
        workflow_id=tampered.untrusted_id,
        name=tampered.untrusted_name,
        status=workflow_pb2.WORKFLOW_STATUS_TAMPERED,
        warnings=["the record failed authentication; nothing of it is routed or executed"],
    )


def run_message(row: RunRow, *, wakes_at: int | None = None) -> run_pb2.Run:
    """The header of a run; sealed contents are described by size and key version.

    A run that sleeps wakes at ``wakes_at`` (Unix milliseconds) where that is given: its time may be up before.
    """
    run = run_pb2.Run(
        run_id=row.run_id,
        execution_id=row.execution_id,
        workflow_id=row.workflow_id,
        workflow_name=row.workflow_name,
        owner=row.workflow_owner,
        trigger_index=row.trigger_index,
        event_id=row.event_id,
        status=run_pb2.RunStatus.Value(f"RUN_STATUS_{row.status.upper()}"),
        module=row.module,
        backend=row.backend,
        insecure=bool(row.insecure),
        assurance=row.assurance,
        binary_sha256=row.binary_sha256,
        create_time=_time(row.created_at),
        error_code=row.error_code,
        parent_run_id=row.parent_run_id,
        input=run_pb2.Sealed(sealed_bytes=row.input_bytes, key_version=row.key_version),
    )
    if row.started_at:
        run.start_time.CopyFrom(_time(row.started_at))
    if row.wake_at:
        run.wake_time.CopyFrom(_time(wakes_at or row.wake_at))
    if row.finished_at:
        run.end_time.CopyFrom(_time(row.finished_at))
        run.output.CopyFrom(run_pb2.Sealed(sealed_bytes=row.output_bytes, key_version=row.key_version))
    return run


def tampered_run_message(row: RunRow, why: Unreadable | None = None) -> run_pb2.Run:
    """A header that could not be authenticated: the id that it claims, why, and nothing else of it."""
    return run_pb2.Run(run_id=row.run_id, tampered=True, unreadable=None if why is None else unreadable_message(why))


def unreadable_message(why: Unreadable) -> run_pb2.Unreadable:
    """Why something does not open."""
    return run_pb2.Unreadable(
        kind=why.fault.value,
        code=why.code,
        what=why.what,
        why=why.why,
        fix=why.fix,
        key_version=why.key_version,
        key_id_expected=why.key_id_expected,
    )


def event_message(event: JournalEvent, why: Unreadable | None = None, *, opened: bytes | None = None) -> run_pb2.Event:
    """An event. Its content stays sealed, but for what is ``opened``; ``why`` says that it does not open."""
    row = event.row
    return run_pb2.Event(
        index=row.index,
        event_type=row.event_type,
        correlation_id=row.correlation_id,
        create_time=_time(row.created_at),
        sealed=run_pb2.Sealed(sealed_bytes=len(row.sealed), key_version=event.key_version),
        tampered=event.content is None,
        unreadable=None if why is None else unreadable_message(why),
        field=FIELDS.get(row.event_type, ""),
        opened=opened,
    )


def _time(unix_ms: int) -> timestamp_pb2.Timestamp:
    time = timestamp_pb2.Timestamp()
    time.FromMilliseconds(unix_ms)
    return time
