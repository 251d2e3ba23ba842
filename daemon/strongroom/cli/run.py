"""``strongroom run``: start runs, wait for them, look at them. What is sealed is described and not opened."""

from typing import Annotated, Any, Final

import typer
from ulid import ULID

from strongroom.cli import run_again, run_events, run_export, run_stop, views
from strongroom.cli.caller import Caller, facts, table
from strongroom.cli.channel import Host, connect
from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure, bad_data
from strongroom.cli.run_calls import Run, runs_stub
from strongroom.cli.values import to_json
from strongroom.cli.verbs import group, verb
from strongroom.cli.workflow import Owner
from strongroom.pb.strongroom.v1 import run_pb2, workflow_pb2
from strongroom.pb.strongroom.v1.workflow_pb2_grpc import WorkflowServiceStub

__all__ = ["app"]

PAGE_SIZE_MAX: Final = 500
TRIGGER_MAX: Final = 1_000_000

_Workflow = Annotated[str, typer.Argument(help="Workflow id or name.", metavar="WORKFLOW")]
_Trigger = Annotated[int, typer.Option("--trigger", help="Which trigger of the workflow.", min=0, max=TRIGGER_MAX)]
_Payload = Annotated[
    str | None, typer.Option("--payload", help="What the trigger carries: JSON, @file or - for stdin.")
]
_RunId = Annotated[str, typer.Option("--run-id", help="Id for the run; the same one again answers with the same run.")]
_EventId = Annotated[str, typer.Option("--event-id", help="Id of the event; one event of a trigger starts one run.")]

app = group("Start runs, look at them, stop them, repeat them.")


def _start(
    caller: Caller, workflow: str, *, trigger: int, payload: str | None, run_id: str, event_id: str, owner: str
) -> run_pb2.StartRequest:
    request = run_pb2.StartRequest(
        workflow=workflow,
        owner=owner,
        # Made here, so that sending the request again, whoever does it, can never start a second run.
        run_id=run_id or f"wrun_{ULID()}",
        trigger_index=trigger,
        event_id=event_id,
    )
    if payload is not None:
        request.json = caller.read_json("--payload", payload)
    return request


@verb(app, "start", example="""strongroom run start hello --payload '{"who": "x"}'""")
def start(
    caller: Caller,
    workflow: _Workflow,
    payload: _Payload = None,
    trigger: _Trigger = 0,
    run_id: _RunId = "",
    event_id: _EventId = "",
    owner: Owner = "",
) -> None:
    """Start a run and print its id as soon as it is safely stored."""
    request = _start(caller, workflow, trigger=trigger, payload=payload, run_id=run_id, event_id=event_id, owner=owner)
    with connect(caller) as host:
        answer = host.call(runs_stub(host).Start, request)
    caller.emit("run", {**views.run(answer.run), "created": answer.created}, answer.run.run_id)
    if not answer.created:
        caller.note("this run was there before; nothing new was started")


@verb(app, "execute", example="""strongroom run execute hello --payload '{"who": "x"}' --json""")
def execute(
    caller: Caller,
    workflow: _Workflow,
    payload: _Payload = None,
    trigger: _Trigger = 0,
    run_id: _RunId = "",
    event_id: _EventId = "",
    owner: Owner = "",
) -> int | None:
    """Start a run, wait for its end and print its result. The exit code is 1 when the run failed."""
    request = _start(caller, workflow, trigger=trigger, payload=payload, run_id=run_id, event_id=event_id, owner=owner)
    try:
        with connect(caller) as host:
            answer = host.call(runs_stub(host).Execute, run_pb2.ExecuteRequest(start=request))
    except Failure as failure:
        if failure.exit_code is Exit.TEMPORARY:
            caller.note(f"its id is {request.run_id}: ask with `strongroom run get {request.run_id}`")
        raise
    except KeyboardInterrupt:
        caller.note(f"the run goes on: strongroom run get {request.run_id}, or strongroom run cancel {request.run_id}")
        raise
    return _finish(caller, answer)


def _finish(caller: Caller, answer: run_pb2.ExecuteResponse) -> int | None:
    completed = answer.run.status == run_pb2.RUN_STATUS_COMPLETED
    result: Any = to_json(answer.result) if answer.HasField("result") else None  # Any: JSON
    document = {**views.run(answer.run), "result": result, "error": answer.error, "help": answer.help}
    shown = "" if result is None else result if isinstance(result, str) else _compact(result)
    pairs = [*views.run_facts(answer.run), ("result", shown), ("error", answer.error), ("do", answer.help)]
    caller.emit("run", document, facts(pairs))
    return None if completed else Exit.RUN_FAILED


def _compact(value: Any) -> str:  # Any: JSON
    import json

    return json.dumps(value, ensure_ascii=False)


@verb(app, "list", example="strongroom run list --status failed --limit 10")
def list_runs(
    caller: Caller,
    workflow: Annotated[str, typer.Option("--workflow", help="Only runs of this workflow id or name.")] = "",
    status: Annotated[
        list[str] | None, typer.Option("--status", help="Only runs in this state; may be repeated.")
    ] = None,
    owner: Owner = "",
    limit: Annotated[int, typer.Option("--limit", help="How many at most.", min=1, max=100_000)] = 50,
) -> None:
    """List runs, newest first."""
    request = run_pb2.RunServiceListRequest(owner=owner, statuses=[_status(word) for word in status or ()])
    found: list[run_pb2.Run] = []
    with connect(caller) as host:
        if workflow:
            request.workflow_id = _workflow_id(host, workflow, owner)
        while True:
            request.page_size = min(limit - len(found), PAGE_SIZE_MAX)
            page = host.call(runs_stub(host).List, request)
            found.extend(page.runs)
            request.page_token = page.next_page_token
            if not page.next_page_token or not page.runs or len(found) >= limit:
                break
    documents = [views.run(header) for header in found[:limit]]
    columns = ("run_id", "status", "workflow_name", "module", "backend", "create_time")
    rows = [[d.get(column) or "" for column in columns] for d in documents]
    caller.emit(
        "runs",
        {"runs": documents, "more": bool(request.page_token)},
        table(["RUN", "STATUS", "WORKFLOW", "MODULE", "BACKEND", "CREATED"], rows) if rows else "",
    )
    if request.page_token:
        caller.note(f"there are more than {limit}: raise --limit")


def _status(word: str) -> run_pb2.RunStatus.ValueType:
    names = {name.removeprefix("RUN_STATUS_").lower(): number for name, number in run_pb2.RunStatus.items()}
    del names["unspecified"]
    found = names.get(word.lower().replace("-", "_"))
    if found is None:
        raise bad_data(
            "SR-CLI-010", f"{word} is not a state of a run", fix=f"one of {', '.join(names)}", exit_code=Exit.USAGE
        )
    return found


def _workflow_id(host: Host, workflow: str, owner: str) -> str:
    """Runs keep the id of a workflow that may be gone, so an id is taken as it is and only a name is looked up."""
    if len(workflow) == 64 and set(workflow) <= set("0123456789abcdef"):
        return workflow
    request = workflow_pb2.WorkflowServiceGetRequest(workflow=workflow, owner=owner)
    return host.call(host.stub(WorkflowServiceStub).Get, request).workflow.workflow_id


@verb(app, "get", example="strongroom run get wrun_01JD3Z8Q4M6Y1T9W2V5X7B0C8D")
def get(caller: Caller, run: Run) -> None:
    """Show one run. Its input and output stay sealed."""
    with connect(caller) as host:
        header = host.call(runs_stub(host).Get, run_pb2.RunServiceGetRequest(run_id=run)).run
    caller.emit("run", views.run(header), facts(views.run_facts(header)))


for part in (run_events, run_stop, run_again, run_export):
    part.add_to(app)
