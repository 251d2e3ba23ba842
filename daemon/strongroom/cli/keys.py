"""``strongroom keys``: the root secrets of a host: which write, which are needed, and how they go."""

from typing import Annotated, Final

import typer

from strongroom.cli import keys_file, keys_recovery, keys_tpm
from strongroom.cli.caller import Caller
from strongroom.cli.channel import connect
from strongroom.cli.exits import Exit
from strongroom.cli.keys_host import KeyFile, Version, keys_stub, reload_host
from strongroom.cli.keys_view import check_rewrap, progress_document, progress_text, status_document, status_text
from strongroom.cli.verbs import DryRun, Yes, group, verb
from strongroom.keyring.files import remove_version
from strongroom.pb.strongroom.v1 import keys_pb2

__all__ = ["app"]

FOLLOW_S: Final = 86_400.0
"""As long as somebody may want to watch; the job itself has no end but its own."""

app = group("Make, add, promote and retire the root secrets of a host.")


@verb(app, "status", example="strongroom keys status")
def status(caller: Caller) -> None:
    """Show every key version, and how many blobs of what are sealed under it."""
    with connect(caller) as host:
        answer = host.call(keys_stub(host).Status, keys_pb2.KeysServiceStatusRequest())
    caller.emit("keys", status_document(answer), status_text(answer))
    for version in answer.versions:
        if version.state == "retired" and version.held:
            caller.note(
                f"{version.key_id} is retired, and {answer.source} still has it:"
                f" take out its entry, which begins with {version.version}: (SR-KEY-023)"
            )


@verb(app, "promote", example="strongroom keys promote 2")
def promote(caller: Caller, version: Version) -> None:
    """Write under a version from now on. The host must hold it; what is stored stays readable.

    Nothing is sealed again by this: see keys rewrap.
    """
    with connect(caller) as host:
        answer = host.call(keys_stub(host).Promote, keys_pb2.KeysServicePromoteRequest(version=version))
    document = {
        "version": version,
        "writing_key_id": answer.writing_key_id,
        "blobs_to_rewrap": answer.blobs_to_rewrap,
    }
    caller.emit("keys-promoted", document, answer.writing_key_id)
    if answer.blobs_to_rewrap:
        caller.note(f"it writes now; {answer.blobs_to_rewrap} blobs are under older versions: strongroom keys rewrap")
    else:
        caller.note("it writes now, and nothing that could be sealed again is under an older version")


@verb(app, "rewrap", example="strongroom keys rewrap --wait")
def rewrap(
    caller: Caller,
    workspace: Annotated[str, typer.Option("--workspace", help="Only this mounted workspace.", metavar="N")] = "",
    rate: Annotated[int, typer.Option("--rate", help="Blobs a second; 10000 if not given.", metavar="R", min=0)] = 0,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until it has ended, and show how it stands.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Open all of it, change nothing.")] = False,
) -> int:
    """Seal everything again under the version that writes, in the background.

    Started again it goes on where it was, also after the host was killed. Runs that have not ended keep the version
    that they began with until they have.
    """
    if dry_run:
        return check_rewrap(caller, workspace)
    request = keys_pb2.KeysServiceRewrapRequest(workspace=workspace, rate=rate, once=not wait)
    now = keys_pb2.RewrapProgress()
    with connect(caller) as host:
        for answer in host.stream(keys_stub(host).Rewrap, request, timeout_s=FOLLOW_S if wait else None):
            if wait and answer.progress != now and (answer.progress.total or answer.progress.state != "running"):
                caller.note(progress_text(answer.progress))
            now = answer.progress
    caller.emit("keys-rewrap", progress_document(now), progress_text(now))
    for problem in now.problems:
        caller.warn(problem)
    if now.state == "running":
        caller.note("it goes on in the background: strongroom keys rewrap --wait shows how it stands")
    if now.state == "stopped":
        return Exit.TEMPORARY
    return Exit.RUN_FAILED if now.problems else Exit.OK


@verb(app, "retire", example="strongroom keys retire 1 --key-file /etc/strongroom/keyring --yes")
def retire(
    caller: Caller,
    version: Version,
    key_file: KeyFile = None,
    forget: Annotated[
        list[str] | None,
        typer.Option("--forget", help="A project or export that may become unreadable; repeatable.", metavar="NAME"),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Give a version up once nothing needs it, and take its secret out of --key-file.

    It is refused while one blob needs it, wherever the host knows of one, and for the version that writes.
    """
    request = keys_pb2.KeysServiceRetireRequest(version=version, forget=forget or [], validate_only=True)
    with connect(caller) as host:
        # Before anybody is asked to agree to what cannot be.
        answer = host.call(keys_stub(host).Retire, request)
        if not dry_run:
            gone = " and destroy its secret" if key_file is not None else ""
            caller.confirm(f"Retire key version {version}{gone}?", yes=yes)
            request.validate_only = False
            answer = host.call(keys_stub(host).Retire, request)
    removed = key_file is not None and not dry_run and remove_version(key_file, version)
    if removed:
        reload_host(caller)
    document = {
        "version": version,
        "retired": not dry_run,
        "changed": answer.changed and not dry_run,
        "removed_from": str(key_file) if removed else "",
    }
    caller.emit("keys-retired", document, "")
    if dry_run:
        caller.note(f"nothing needs version {version}; nothing was changed")
    elif removed:
        caller.note(f"version {version} is retired, and {key_file} is without it")
    elif answer.offered:
        caller.note(
            f"version {version} is retired. Take its entry, which begins with {version}:, out of the keyring;"
            " until then the host says at every start that it is still there"
        )
    else:
        caller.note(f"version {version} is retired, and the keyring is without it")


keys_file.add_to(app)
keys_recovery.add_to(app)
keys_tpm.add_to(app)
