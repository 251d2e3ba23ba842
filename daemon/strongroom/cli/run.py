"""``strongroom run``: runs are listed and looked at here. What is sealed is described, and opened for a reason only."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Final

import typer

from strongroom.cli import run_again, run_begin, run_events, run_export, run_stop, run_streams, unsealed, views
from strongroom.cli.caller import Caller, facts
from strongroom.cli.channel import Host, connect
from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure, bad_data
from strongroom.cli.run_calls import Decrypt, Fields, Run, Why, opened_fields, opening_reason, runs_stub
from strongroom.cli.run_end import end_document, end_facts, note_fence
from strongroom.cli.verbs import group, verb
from strongroom.cli.workflow import Owner
from strongroom.pb.strongroom.v1 import run_pb2, workflow_pb2
from strongroom.pb.strongroom.v1.workflow_pb2_grpc import WorkflowServiceStub

__all__ = ["app"]

PAGE_SIZE_MAX: Final = 500
NO_WORKFLOW: Final = "SR-WF-001"

app = group("Start runs, look at them, stop them, repeat them.")
run_begin.add_to(app)


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
    with connect(caller) as host:
        gone = ""
        if workflow:
            request.workflow_id = _workflow_id(host, workflow, owner)
            # The name of a workflow that was deleted still stands in its runs.
            gone = request.workflow_name = "" if request.workflow_id else workflow
        # One more than is shown tells whether there are more.
        found = list(islice(_runs(host, request, min(limit + 1, PAGE_SIZE_MAX)), limit + 1))
    if gone:
        _say_gone(caller, gone, found)
    more = len(found) > limit
    documents = [views.run(header) for header in found[:limit]]
    columns = ("run_id", "status", "workflow_name", "module", "backend", "create_time")
    rows = [[d.get(column) or "" for column in columns] for d in documents]
    caller.emit_table(
        "runs",
        {"runs": documents, "more": more},
        ["RUN", "STATUS", "WORKFLOW", "MODULE", "BACKEND", "CREATED"],
        rows,
        nothing=_nothing(workflow, request.workflow_id, status),
    )
    unsealed.note_unreadable(caller, found[:limit])
    if more:
        caller.note(f"there are more than {limit}: raise --limit")


def _runs(host: Host, request: run_pb2.RunServiceListRequest, page_size: int) -> Iterator[run_pb2.Run]:
    """Every run that the request asks for, page by page."""
    request.page_size = page_size
    while True:
        page = host.call(runs_stub(host).List, request)
        yield from page.runs
        request.page_token = page.next_page_token
        if not page.next_page_token or not page.runs:
            return


def _say_gone(caller: Caller, name: str, found: list[run_pb2.Run]) -> None:
    """Whose runs these are. A name that never was stands in none."""
    if not found:
        raise bad_data(
            "SR-CLI-017",
            f"no workflow is called {name}, and no run is of one that was",
            fix="`strongroom workflow list` shows what is registered",
        )
    ids = ", ".join(dict.fromkeys(header.workflow_id for header in found))
    caller.note(f"no workflow is called {name} now; these are runs of {ids}")


def _nothing(workflow: str, workflow_id: str, status: list[str] | None) -> str:
    """That there are no runs, and of what: older workflows of the same name may have some."""
    of = f" of workflow {workflow_id}" if workflow_id else ""
    of += f", the newest that is called {workflow}" if workflow not in ("", workflow_id) else ""
    return f"no runs{of}" + (f" with status {' or '.join(status)}" if status else "")


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
    """Runs keep the id of a workflow that may be gone, so an id is taken as it is and only a name is looked up.

    Empty when no workflow has the name now.
    """
    if len(workflow) == 64 and set(workflow) <= set("0123456789abcdef"):
        return workflow
    request = workflow_pb2.WorkflowServiceGetRequest(workflow=workflow, owner=owner)
    try:
        return host.call(host.stub(WorkflowServiceStub).Get, request).workflow.workflow_id
    except Failure as failure:
        if failure.error.code != NO_WORKFLOW:
            raise
        return ""


@verb(app, "get", example="strongroom run get wrun_01JD3Z8Q4M6Y1T9W2V5X7B0C8D")
def get(caller: Caller, run: Run, decrypt: Decrypt = False, reason: Why = "", field: Fields = None) -> None:
    """Show one run. Its input and output stay sealed.

    With --decrypt and a reason it also shows what started the run, and how it ended: its result, or its error, and why
    it was asked to stop. --field opens some of these only: input, output, error, reason. The host writes down what was
    opened, when and why. Steps, hooks and lines of the guest are opened by run events.
    """
    why, wanted = opening_reason(decrypt=decrypt, reason=reason), opened_fields(field, decrypt=decrypt)
    with connect(caller) as host:
        request = run_pb2.RunServiceGetRequest(run_id=run, reason=why, fields=wanted)
        answer = host.call(runs_stub(host).Get, request)
    document, pairs = views.run(answer.run), views.run_facts(answer.run)
    text = facts(pairs)
    if why:
        opened_input = unsealed.content(answer.input) if answer.HasField("input") else None
        document |= {**end_document(answer), "cancel_reason": answer.cancel_reason, "opened_input": opened_input}
        document["unreadable_fields"] = {each.field: unsealed.unreadable(each) for each in answer.unreadable}
        closed = [(each.field, unsealed.unreadable_mark(each)) for each in answer.unreadable]
        text = facts([*pairs, *end_facts(answer), ("asked to stop", answer.cancel_reason), *closed])
        if opened_input is not None:
            text += f"\nopened input:\n{unsealed.block(opened_input)}"
    caller.emit("run", document, text)
    unsealed.note_unreadable(caller, answer.unreadable)
    if not why and answer.run.HasField("output"):
        caller.note('how it ended is sealed: add --decrypt --reason "..." to read it')
    note_fence(caller, answer.run)


for part in (run_events, run_streams, run_stop, run_again, run_export):
    part.add_to(app)
