"""How the keys of a host are shown: their versions, what is sealed under which, and how sealing again stands or would
come out."""

from typing import Any

from strongroom.cli.caller import Caller, facts, table
from strongroom.cli.channel import connect
from strongroom.cli.exits import Exit
from strongroom.cli.values import rfc3339
from strongroom.pb.strongroom.v1 import keys_pb2, keys_pb2_grpc

__all__ = ["check_rewrap", "progress_document", "progress_text", "status_document", "status_text"]


def status_document(answer: keys_pb2.KeysServiceStatusResponse) -> dict[str, Any]:  # Any: JSON
    """Everything, for programs."""
    return {
        "writing_version": answer.writing_version,
        "promoted": answer.promoted,
        "source": {"kind": answer.source_kind, "where": answer.source},
        "versions": [
            {
                "version": version.version,
                "key_id": version.key_id,
                "state": version.state,
                "held": version.held,
                "created": rfc3339(version.create_time),
                "retired": rfc3339(version.retire_time) if version.HasField("retire_time") else "",
                "blobs": version.blobs,
            }
            for version in answer.versions
        ],
        "things": [
            {
                "name": thing.name,
                "kind": thing.kind,
                "blobs": {str(version): thing.blobs[version] for version in sorted(thing.blobs)},
                "stays": thing.stays,
                "problem": thing.problem,
            }
            for thing in answer.things
        ],
        "rewrap": progress_document(answer.rewrap),
    }


def status_text(answer: keys_pb2.KeysServiceStatusResponse) -> str:
    """Everything, for people."""
    writes = next((each.key_id for each in answer.versions if each.version == answer.writing_version), "")
    head = facts(
        [
            ("writing", f"{writes}, {'promoted' if answer.promoted else 'the highest: nothing was ever promoted'}"),
            ("source", f"{answer.source_kind} {answer.source}"),
            ("rewrap", progress_text(answer.rewrap)),
        ]
    )
    versions = table(
        ["VERSION", "KEY", "STATE", "HELD", "BLOBS"],
        [[each.version, each.key_id, each.state, _held(each), each.blobs] for each in answer.versions],
    )
    numbers = sorted({number for thing in answer.things for number in thing.blobs if thing.blobs[number]})
    things = table(
        ["SEALED", *(f"V{number}" if number else "UNSEALED" for number in numbers), ""],
        [
            [thing.name, *(thing.blobs.get(number, 0) for number in numbers), thing.problem or thing.stays]
            for thing in answer.things
        ],
    )
    return f"{head}\n\n{versions}\n\n{things}"


def progress_document(progress: keys_pb2.RewrapProgress) -> dict[str, Any]:  # Any: JSON
    """How sealing again stands, for programs."""
    return {
        "state": progress.state,
        "version": progress.version,
        "workspace": progress.workspace,
        "rate": progress.rate,
        "done": progress.done,
        "total": progress.total,
        "thing": progress.thing,
        "problems": list(progress.problems),
    }


def progress_text(progress: keys_pb2.RewrapProgress) -> str:
    """How sealing again stands, in a line."""
    if progress.state == "idle":
        return "not running"
    where = f", at {progress.thing}" if progress.thing else ""
    problems = f", {len(progress.problems)} problems" if progress.problems else ""
    return f"{progress.state}, {progress.done} of {progress.total} blobs to version {progress.version}{where}{problems}"


def check_rewrap(caller: Caller, workspace: str) -> int:
    """Show what sealing again would come to; the exit code says whether all of it opens."""
    with connect(caller) as host:
        request = keys_pb2.KeysServiceCheckRewrapRequest(workspace=workspace)
        answer = host.call(host.stub(keys_pb2_grpc.KeysServiceStub).CheckRewrap, request)
    things = [
        {"name": each.name, "opens": each.opens, "closed": each.closed, "problems": list(each.problems)}
        for each in answer.things
    ]
    caller.emit_table(
        "keys-rewrap-check",
        {"version": answer.version, "things": things},
        ["SEALED", "WOULD BE SEALED AGAIN", "CANNOT BE OPENED"],
        [[each.name, each.opens, each.closed] for each in answer.things],
        nothing=f"everything that can be sealed again is under version {answer.version}",
    )
    for each in answer.things:
        for problem in each.problems:
            caller.warn(f"{each.name}: {problem}")
    caller.note("nothing was changed")
    return Exit.RUN_FAILED if any(each.closed for each in answer.things) else Exit.OK


def _held(version: keys_pb2.KeyVersion) -> str:
    if version.state == "retired":
        return "still offered" if version.held else "no"
    return "yes" if version.held else "NO"
