"""``strongroom workflow delete``: at once, or when its runs have ended. What is left is said, however that ends."""

from typing import Annotated, Any, Final

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.channel import Host, connect
from strongroom.cli.failure import Failure
from strongroom.cli.run_calls import was_cut
from strongroom.cli.verbs import DryRun, Owner, Yes, verb
from strongroom.pb.strongroom.v1 import workflow_pb2
from strongroom.pb.strongroom.v1.workflow_pb2_grpc import WorkflowServiceStub

__all__ = ["OneWorkflow", "add_to"]

ANSWER_S: Final = 5.0
"""What the answer of a host that has waited needs to arrive, on a busy machine too."""
NO_ANSWER: Final = "SR-CLI-021"

OneWorkflow = Annotated[
    str, typer.Argument(help="Workflow id, or a name that only one workflow has.", metavar="WORKFLOW")
]


def delete(
    caller: Caller,
    workflow: OneWorkflow,
    owner: Owner = "",
    drain: Annotated[
        bool, typer.Option("--drain", help="Take no new runs, and wait up to --timeout for unfinished ones.")
    ] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Remove a workflow. Refused while runs are unfinished; past runs stay.

    With --drain it is paused first and its runs have until --timeout to end. When they have not, the exit code is 75:
    the workflow is still there, and stays paused until you activate it or delete it again.
    """
    if not dry_run:
        caller.confirm(f"Delete workflow {workflow}?", yes=yes)
    request = workflow_pb2.WorkflowServiceDeleteRequest(
        workflow=workflow, owner=owner, validate_only=dry_run, drain=drain
    )
    if drain and not dry_run:
        request.drain_ms = max(1, int(caller.timeout_s * 1000))
    with connect(caller) as host:
        answer = _deleted(caller, host, request)
    document: dict[str, Any] = {"workflow_id": answer.workflow_id, "dry_run": dry_run}  # Any: JSON
    if drain and dry_run:
        document["runs_unfinished"] = answer.runs_unfinished
    caller.emit("workflow-deleted", document, answer.workflow_id)
    if drain and dry_run and answer.runs_unfinished:
        caller.note(f"{answer.runs_unfinished} unfinished runs would be waited for, and it would be paused meanwhile")
    caller.note("it could be deleted; nothing was changed" if dry_run else "deleted")


def _deleted(
    caller: Caller, host: Host, request: workflow_pb2.WorkflowServiceDeleteRequest
) -> workflow_pb2.WorkflowServiceDeleteResponse:
    """What became of a deletion. Of one that drains it is said what it may have left, however it ended."""
    if not request.drain_ms:
        return host.call(host.stub(WorkflowServiceStub).Delete, request)
    left = f"it may be paused now: strongroom workflow activate {request.workflow} takes runs again; or delete it again"
    try:
        # Longer than the host may wait, so that it is the host who says what is left.
        return host.call(host.stub(WorkflowServiceStub).Delete, request, timeout_s=caller.timeout_s + ANSWER_S)
    except Failure as failure:
        if failure.error.code == NO_ANSWER or was_cut(failure):
            caller.note(left)
        raise
    except KeyboardInterrupt:
        caller.note(left)
        raise


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    verb(app, "delete", example="strongroom workflow delete hello --drain --yes")(delete)
