"""``strongroom workflow``: what is registered and how it will run."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from strongroom.cli import simulate, views, workflow_delete, workflow_limits, workflow_oci
from strongroom.cli.caller import Caller, facts, read_file
from strongroom.cli.channel import Host, connect
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.verbs import Owner, group, verb
from strongroom.cli.workflow_delete import OneWorkflow
from strongroom.cli.workflow_oci import BINARY_BYTES_MAX, LoginStdin, Source, source_of
from strongroom.pb.strongroom.v1 import workflow_pb2
from strongroom.pb.strongroom.v1.workflow_pb2_grpc import WorkflowServiceStub

__all__ = ["Config", "Owner", "app"]

PAGE_SIZE_MAX: Final = 500

Config = Annotated[str, typer.Option("--config", help="Config for the guest: text, @file or - for stdin.")]
_File = Annotated[Path, typer.Argument(help="Wasm file: raw, brotli, or base64 of brotli.", metavar="FILE")]
_Binary = Annotated[
    str,
    typer.Argument(
        help="Wasm file: raw, brotli, or base64 of brotli; or oci://HOST/REPO[:TAG|@DIGEST].", metavar="FILE"
    ),
]
_Name = Annotated[str | None, typer.Option("--name", help="Name of the workflow; the file's name if not given.")]
_Tag = Annotated[str, typer.Option("--tag", help="Tag.")]
_Attributes = Annotated[str, typer.Option("--attributes", help="Attributes: JSON, @file or - for stdin.")]
_Workflow = Annotated[str, typer.Argument(help="Workflow id or name.", metavar="WORKFLOW")]

app = group("Register workflows, look at them, pause and delete them.")


def _stub(host: Host) -> WorkflowServiceStub:
    return host.stub(WorkflowServiceStub)


def _name(name: str | None, given: str) -> str:
    if name == "":
        raise bad_data(
            "SR-CLI-018",
            "--name is empty",
            fix="give a name, or leave the option out: then it is the name of the file",
            exit_code=Exit.USAGE,
        )
    return given if name is None else name


def _register(
    caller: Caller,
    source: Source,
    *,
    name: str | None,
    tag: str,
    owner: str,
    config: str,
    attributes: str,
    validate_only: bool,
) -> workflow_pb2.RegisterResponse:
    request = workflow_pb2.RegisterRequest(
        binary=source.binary,
        name=_name(name, source.name),
        tag=tag,
        owner=owner,
        config=caller.read("--config", config),
        # The bytes go as they are: only the host decides what a malformed document means, and it refuses.
        attributes=caller.read("--attributes", attributes),
        validate_only=validate_only,
    )
    with connect(caller) as host:
        answer = host.call(_stub(host).Register, request)
    for warning in answer.workflow.warnings:
        caller.note(f"warning: {warning}")
    return answer


def _place(source: Source) -> dict[str, str]:
    return {"source": source.place} if source.place else {}


def _shown(answer: workflow_pb2.RegisterResponse, source: Source) -> str:
    shown = views.workflow_facts(answer.workflow)
    return f"{shown}\n{facts([('source', source.place)])}" if source.place else shown


@verb(app, "register", example="strongroom workflow register hello.wasm --name hello")
def register(
    caller: Caller,
    file: _Binary,
    name: _Name = None,
    tag: _Tag = "",
    owner: Owner = "",
    config: Config = "",
    attributes: _Attributes = "",
    login_stdin: LoginStdin = False,
) -> None:
    """Register a workflow. The same registration again gives the same record.

    The id covers owner, name, binary and config: with another binary or config it is another workflow, and one that has
    the name already stays active, which is warned about.

    With oci:// it comes from a registry. Every byte is checked against the digest, which is printed: a tag may mean
    another artifact tomorrow, and the workflow that is registered stays what it is.

    Attributes decide where it runs: '{"confidential": true}' means in an enclave and nowhere else.
    """
    source = source_of(caller, file, login_stdin=login_stdin)
    answer = _register(
        caller, source, name=name, tag=tag, owner=owner, config=config, attributes=attributes, validate_only=False
    )
    caller.emit(
        "workflow",
        {**views.workflow(answer.workflow), "created": answer.created, **_place(source)},
        _shown(answer, source),
    )
    if not answer.created:
        caller.note("it was registered before; nothing changed")


@verb(app, "validate", example="strongroom workflow validate hello.wasm --attributes @attributes.json")
def validate(
    caller: Caller,
    file: _Binary,
    name: _Name = None,
    tag: _Tag = "",
    owner: Owner = "",
    config: Config = "",
    attributes: _Attributes = "",
    login_stdin: LoginStdin = False,
) -> None:
    """Check a workflow as registration would, and store nothing."""
    source = source_of(caller, file, login_stdin=login_stdin)
    answer = _register(
        caller, source, name=name, tag=tag, owner=owner, config=config, attributes=attributes, validate_only=True
    )
    caller.emit(
        "workflow", {**views.workflow(answer.workflow), "created": False, **_place(source)}, _shown(answer, source)
    )
    caller.note("it could be registered; nothing was stored")


@verb(app, "list", example="strongroom workflow list --json")
def list_workflows(
    caller: Caller,
    owner: Owner = "",
    limit: Annotated[int, typer.Option("--limit", help="How many at most.", min=1, max=100_000)] = 50,
) -> None:
    """List workflows, newest first."""
    found: list[workflow_pb2.Workflow] = []
    token = ""
    with connect(caller) as host:
        while True:
            size = min(limit - len(found), PAGE_SIZE_MAX)
            request = workflow_pb2.WorkflowServiceListRequest(page_size=size, page_token=token, owner=owner)
            page = host.call(_stub(host).List, request)
            found.extend(page.workflows)
            token = page.next_page_token
            if not token or not page.workflows or len(found) >= limit:
                break
    documents = [views.workflow(record) for record in found[:limit]]
    rows = [[d["workflow_id"], d["name"], d["tag"], d["status"], d["module"], d["create_time"]] for d in documents]
    caller.emit_table(
        "workflows",
        {"workflows": documents, "more": bool(token)},
        ["WORKFLOW", "NAME", "TAG", "STATUS", "MODULE", "CREATED"],
        rows,
        nothing="no workflows",
    )
    if token:
        caller.note(f"there are more than {limit}: raise --limit")


@verb(app, "get", example="strongroom workflow get hello")
def get(caller: Caller, workflow: _Workflow, owner: Owner = "") -> None:
    """Show one workflow. What its triggers delivered is counted since the host started."""
    with connect(caller) as host:
        request = workflow_pb2.WorkflowServiceGetRequest(workflow=workflow, owner=owner)
        record = host.call(_stub(host).Get, request).workflow
    caller.emit("workflow", views.workflow(record), views.workflow_facts(record))


@verb(app, "hash", example="strongroom workflow hash hello.wasm --name hello", online=False)
def compute_hash(caller: Caller, file: _File, name: _Name = None, owner: Owner = "", config: Config = "") -> None:
    """Compute the id that a registration would get, without a host.

    Without --owner it is the owner of the settings that a client reads here, which need not be the host's.
    """
    from strongroom.cli.offline import identify

    shown = identify(
        read_file("FILE", file, bytes_max=BINARY_BYTES_MAX),
        name=_name(name, file.name.split(".")[0]),
        owner=owner,
        config=caller.read("--config", config),
    )
    caller.emit("workflow-hash", shown, facts(list(shown.items())))


def _change(
    caller: Caller, workflow: str, owner: str, *, of: Callable[[WorkflowServiceStub], Any], request: Any
) -> None:
    # Any: Pause and Activate have the same fields in messages of different types.
    with connect(caller) as host:
        record = host.call(of(_stub(host)), request(workflow=workflow, owner=owner)).workflow
    caller.emit("workflow", views.workflow(record), views.workflow_facts(record))


@verb(app, "pause", example="strongroom workflow pause hello")
def pause(caller: Caller, workflow: OneWorkflow, owner: Owner = "") -> None:
    """Refuse new runs of a workflow; runs that were accepted go on."""
    _change(caller, workflow, owner, of=lambda stub: stub.Pause, request=workflow_pb2.PauseRequest)


@verb(app, "activate", example="strongroom workflow activate hello")
def activate(caller: Caller, workflow: OneWorkflow, owner: Owner = "") -> None:
    """Take new runs of a paused workflow again."""
    _change(caller, workflow, owner, of=lambda stub: stub.Activate, request=workflow_pb2.ActivateRequest)


workflow_delete.add_to(app)
workflow_oci.add_to(app)
simulate.add_to(app)
app.add_typer(workflow_limits.app, name="limits")
