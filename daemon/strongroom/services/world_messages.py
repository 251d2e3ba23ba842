"""Views of the World contract as API messages."""

from google.protobuf import timestamp_pb2

from strongroom.engine.world.contents import ReadEvent
from strongroom.engine.world.drafts import SPEC_VERSION, Draft
from strongroom.engine.world.entities import Shown
from strongroom.engine.world.event_reader import event_id
from strongroom.engine.world.events import Answer
from strongroom.engine.world.views import HookView, RunView, StepView, WaitView
from strongroom.pb.strongroom.v1 import world_pb2
from strongroom.pb.strongroom.world.v1.event_data_pb2 import EventData
from strongroom.storage.runs import RunRow

__all__ = ["answer_message", "draft_of", "event_message", "hook_message", "run_message", "step_message", "wait_message"]


def draft_of(untrusted: world_pb2.WorldDraft) -> Draft:
    """An event to append, as it arrives."""
    return Draft(untrusted.event_type, untrusted.correlation_id, untrusted.data)


def answer_message(answer: Answer) -> world_pb2.WorldServiceCreateEventResponse:
    """What an append came to. Contents are left out: whoever appends has them."""
    header = answer.header
    response = world_pb2.WorldServiceCreateEventResponse(event=event_message(answer.event, opened=False))
    if answer.run is not None:
        response.run.CopyFrom(run_message(header, answer.run))
    if answer.step is not None:
        response.step.CopyFrom(step_message(Shown(header, answer.step)))
    if answer.hook is not None:
        response.hook.CopyFrom(hook_message(Shown(header, answer.hook)))
    if answer.wait is not None:
        response.wait.CopyFrom(wait_message(Shown(header, answer.wait)))
    return response


def event_message(event: ReadEvent, *, opened: bool) -> world_pb2.WorldEvent:
    """An event, with what it says where that is ``opened``."""
    message = world_pb2.WorldEvent(
        run_id=event.row.run_id,
        event_id=event_id(event.row.index),
        event_type=event.kind,
        correlation_id=event.row.correlation_id,
        create_time=_time(event.row.created_at),
    )
    if opened:
        message.data.CopyFrom(event.data)
    return message


def run_message(header: RunRow, view: RunView, data: EventData | None = None) -> world_pb2.WorldRun:
    """A run, with its contents where there are any."""
    return world_pb2.WorldRun(
        run_id=view.run_id,
        status=view.status,
        workflow_name=view.workflow_name,
        owner=header.workflow_owner,
        deployment_id=view.deployment_id,
        create_time=_time(view.created_at),
        start_time=_time(view.started_at),
        end_time=_time(view.ended_at),
        update_time=_time(view.updated_at),
        error_code=view.error_code,
        encryption_public_key=view.encryption_public_key,
        module=header.module,
        spec_version=view.spec_version or SPEC_VERSION,
        data=data,
    )


def step_message(shown: Shown[StepView]) -> world_pb2.WorldStep:
    """A step, with its contents where there are any."""
    step = shown.view
    return world_pb2.WorldStep(
        run_id=shown.header.run_id,
        step_id=step.step_id,
        step_name=step.step_name,
        status=step.state.status,
        attempt=step.state.attempt,
        retry_after=_time(step.state.retry_after_ms),
        create_time=_time(step.created_at),
        start_time=_time(step.started_at),
        end_time=_time(step.ended_at),
        update_time=_time(step.updated_at),
        data=shown.data,
    )


def hook_message(shown: Shown[HookView]) -> world_pb2.WorldHook:
    """A hook, with its token and metadata where they are shown."""
    hook = shown.view
    return world_pb2.WorldHook(
        run_id=shown.header.run_id,
        hook_id=hook.hook_id,
        create_time=_time(hook.created_at),
        disposed=hook.is_disposed,
        received=hook.received,
        is_webhook=hook.is_webhook,
        is_system=hook.is_system,
        data=shown.data,
    )


def wait_message(shown: Shown[WaitView]) -> world_pb2.WorldWait:
    """A wait."""
    wait = shown.view
    return world_pb2.WorldWait(
        run_id=shown.header.run_id,
        wait_id=wait.wait_id,
        status="completed" if wait.ended_at else "waiting",
        resume_at=_time(wait.resume_at),
        create_time=_time(wait.created_at),
        end_time=_time(wait.ended_at),
    )


def _time(unix_ms: int) -> timestamp_pb2.Timestamp | None:
    """Nothing for what has not happened."""
    if not unix_ms:
        return None
    time = timestamp_pb2.Timestamp()
    time.FromMilliseconds(unix_ms)
    return time
