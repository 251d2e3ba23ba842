"""``strongroom run start``, ``execute`` and ``new-id``: a run is begun once, whatever becomes of the connection.

Its id is made here and named in every failure after the request was sent: it leads to the run, if there is one.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer
from ulid import ULID

from strongroom.cli import views
from strongroom.cli.caller import Caller, facts
from strongroom.cli.channel import Host, connect
from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure
from strongroom.cli.run_calls import PAUSE_S, RunId, runs_stub, was_cut
from strongroom.cli.run_end import end_document, end_facts, note_fence
from strongroom.cli.verbs import verb
from strongroom.cli.workflow import Owner
from strongroom.errors import StrongroomError, Unavailable
from strongroom.pb.strongroom.v1 import run_pb2

__all__ = ["add_to", "looked_for", "named"]

TRIGGER_MAX: Final = 1_000_000
LEFT: Final = frozenset({"SR-RUN-009"})
"""The run stands and is not executed now: its host has just begun."""
UNFINISHED: Final = frozenset({run_pb2.RUN_STATUS_PENDING, run_pb2.RUN_STATUS_RUNNING, run_pb2.RUN_STATUS_WAITING})
"""So a run stands only in the answer of a host that stops, and leaves it to its next start."""
WENT_DOWN: Final = "SR-CLI-200"
UNSURE: Final = frozenset({Exit.TEMPORARY, Exit.UNAVAILABLE, Exit.BUG, Exit.IO})
NOT_SENT: Final = "SR-CLI-020"
STILL_RUNNING: Final = "SR-RUN-008"
IN_TIME: Final = frozenset({"SR-CLI-021", STILL_RUNNING})
"""The time is up: there is nothing to wait for any more."""

_Workflow = Annotated[str, typer.Argument(help="Workflow id, or a name: the newest active one.", metavar="WORKFLOW")]
_Trigger = Annotated[int, typer.Option("--trigger", help="Which trigger of the workflow.", min=0, max=TRIGGER_MAX)]
_Payload = Annotated[
    str | None, typer.Option("--payload", help="What the trigger carries: JSON, @file or - for stdin.")
]
_EventId = Annotated[str, typer.Option("--event-id", help="Id of the event; one event of a trigger starts one run.")]


@contextmanager
def named(run_id: str) -> Iterator[None]:
    """Every failure inside names the run in its details, and says how to look for it where it may be there."""
    try:
        yield
    except Failure as failure:
        error = failure.error
        # What ran into a limit was not begun; of anything else that went wrong on the way nobody here knows.
        unsure = failure.exit_code in UNSURE and error.code != NOT_SENT and "limit" not in failure.details
        fix = f"the run may have been accepted: strongroom run get {run_id}" if unsure else error.fix
        if error.code in {STILL_RUNNING, WENT_DOWN}:
            fix = f"it goes on: strongroom run get {run_id}"
        raise Failure(
            StrongroomError(error.code, error.what, why=error.why, fix=fix),
            failure.exit_code,
            details={**failure.details, "run_id": run_id},
        ) from failure


@contextmanager
def looked_for(caller: Caller, run_id: str) -> Iterator[None]:
    """Whoever interrupts the start of a run inside is told how to find out whether it was accepted."""
    try:
        yield
    except KeyboardInterrupt:
        caller.note(f"the run may have been accepted: strongroom run get {run_id}")
        raise


def _request(
    caller: Caller, workflow: str, *, trigger: int, payload: str | None, run_id: str, event_id: str, owner: str
) -> run_pb2.StartRequest:
    request = run_pb2.StartRequest(
        workflow=workflow,
        owner=owner,
        # Made here, so that sending the request again, whoever does it, can never start a second run.
        run_id=run_id or _fresh_id(),
        trigger_index=trigger,
        event_id=event_id,
    )
    if payload is not None:
        request.json = caller.read_json("--payload", payload)
    return request


def _fresh_id() -> str:
    return f"wrun_{ULID()}"


def start(
    caller: Caller,
    workflow: _Workflow,
    payload: _Payload = None,
    trigger: _Trigger = 0,
    run_id: RunId = "",
    event_id: _EventId = "",
    owner: Owner = "",
) -> None:
    """Start a run and print its id as soon as it is safely stored."""
    request = _request(
        caller, workflow, trigger=trigger, payload=payload, run_id=run_id, event_id=event_id, owner=owner
    )
    with looked_for(caller, request.run_id), connect(caller) as host, named(request.run_id):
        answer = host.call(runs_stub(host).Start, request)
    caller.emit("run", {**views.run(answer.run), "created": answer.created}, answer.run.run_id)
    if not answer.created:
        caller.note("this run was there before; nothing new was started")


def execute(
    caller: Caller,
    workflow: _Workflow,
    payload: _Payload = None,
    trigger: _Trigger = 0,
    run_id: RunId = "",
    event_id: _EventId = "",
    owner: Owner = "",
) -> int | None:
    """Start a run, wait for its end and print its result. The exit code is 1 when the run failed.

    When the host goes down meanwhile, it is waited for and asked for the same run again, until --timeout; when it is
    still down by then, the exit code is 75, and the run goes on at its next start.
    """
    request = _request(
        caller, workflow, trigger=trigger, payload=payload, run_id=run_id, event_id=event_id, owner=owner
    )
    try:
        with connect(caller) as host, named(request.run_id):
            answer = _executed(caller, host, request)
    except KeyboardInterrupt:
        caller.note(f"the run goes on: strongroom run get {request.run_id}, or strongroom run cancel {request.run_id}")
        raise
    pairs = [*views.run_facts(answer.run), *end_facts(answer)]
    caller.emit("run", {**views.run(answer.run), **end_document(answer)}, facts(pairs))
    note_fence(caller, answer.run)
    return None if answer.run.status == run_pb2.RUN_STATUS_COMPLETED else Exit.RUN_FAILED


def _executed(caller: Caller, host: Host, start_request: run_pb2.StartRequest) -> run_pb2.ExecuteResponse:
    """The end of the run. The same request goes out again after a cut: the id makes it the same run."""
    request = run_pb2.ExecuteRequest(start=start_request)
    until = time.monotonic() + caller.timeout_s
    cut: Failure | None = None
    while True:
        left_s = until - time.monotonic()
        if cut is not None and left_s <= 0:
            raise cut
        try:
            answer = host.call(runs_stub(host).Execute, request, timeout_s=left_s)
            if answer.run.status not in UNFINISHED:
                return answer
            if cut is None or cut.error.code != WENT_DOWN:
                caller.note(f"the host is going down; run {answer.run.run_id} goes on when it is back: waiting")
            cut = _went_down(answer.run)
        except Failure as failure:
            code = failure.error.code
            away = failure.exit_code in {Exit.UNAVAILABLE, Exit.TEMPORARY} and code not in IN_TIME
            if not (was_cut(failure) or code in LEFT or (cut is not None and away)):
                raise
            if cut is None:
                caller.note("the host is away; asking for the same run when it is back")
            # Of all that is said while it is away, the cut tells the most: the run may be there.
            cut = cut or failure
        time.sleep(min(PAUSE_S, max(0.0, until - time.monotonic())))


def _went_down(run: run_pb2.Run) -> Failure:
    status = run_pb2.RunStatus.Name(run.status).removeprefix("RUN_STATUS_").lower()
    why = f"it was {status} and is on the disk; it goes on at the next start of the host"
    return Failure(
        Unavailable(WENT_DOWN, f"the host went down before run {run.run_id} had ended", why=why), Exit.TEMPORARY
    )


def new_id(caller: Caller) -> None:
    """Print a fresh run id, for --run-id.

    Whoever keeps it before the run is started can send the same start again, after whatever happened, and get one run.
    """
    run_id = _fresh_id()
    caller.emit("run-id", {"run_id": run_id}, run_id)


def add_to(app: typer.Typer) -> None:
    """Add the three commands."""
    verb(app, "start", example="""strongroom run start hello --payload '{"who": "x"}'""")(start)
    verb(app, "execute", example="""strongroom run execute hello --payload '{"who": "x"}' --json""")(execute)
    verb(app, "new-id", example="strongroom run new-id", online=False)(new_id)
