"""``strongroom status`` and ``strongroom version``."""

import platform
from typing import TYPE_CHECKING

import typer

from strongroom.cli.caller import Caller, facts
from strongroom.cli.verbs import verb

if TYPE_CHECKING:
    from strongroom.pb.strongroom.v1 import status_pb2

__all__ = ["add_to"]


def version(caller: Caller) -> None:
    """Show the version of this program."""
    from importlib import metadata

    document = {
        "version": metadata.version("strongroom"),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    caller.emit("version", document, f"strongroom {document['version']}")


def status(caller: Caller) -> None:
    """Show the state of the host on one screen."""
    from strongroom.cli.channel import connect, find_socket
    from strongroom.cli.views import optional_time
    from strongroom.pb.strongroom.v1.status_pb2 import StatusServiceGetRequest
    from strongroom.pb.strongroom.v1.status_pb2_grpc import StatusServiceStub

    with connect(caller) as host:
        answer = host.call(host.stub(StatusServiceStub).Get, StatusServiceGetRequest())
    started = optional_time(answer, "start_time")
    refusals = {code: answer.attestation_refusals[code] for code in sorted(answer.attestation_refusals)}
    relay_refusals = {code: answer.relay_refusals[code] for code in sorted(answer.relay_refusals)}
    document = {
        "version": answer.version,
        "state": answer.state,
        "health": answer.health,
        "mode": answer.mode,
        "socket": str(find_socket(caller)),
        "start_time": started,
        "pid": answer.pid,
        "storage": answer.storage,
        "writing_key_id": answer.writing_key_id,
        "runs": {name: answer.runs[name] for name in sorted(answer.runs)},
        "workflows": answer.workflows,
        "confidential_backend": answer.confidential_backend,
        "insecure": answer.insecure,
        "confidential_protections": list(answer.confidential_protections),
        "confidential_missing": list(answer.confidential_missing),
        "runner_protections": list(answer.runner_protections),
        "runner_missing": list(answer.runner_missing),
        "wasmtime_version": answer.wasmtime_version,
        "runners": answer.runners,
        "owner": answer.owner,
        "plugin_problems": list(answer.plugin_problems),
        "runs_purged": answer.runs_purged,
        "insecure_releases": answer.insecure_releases,
        "attestation_refusals": refusals,
        "workspaces": answer.workspaces,
        "workspace_problems": list(answer.workspace_problems),
        "relay": answer.relay,
        "relay_connections": answer.relay_connections,
        "relay_refusals": relay_refusals,
        "oldest_run_time": optional_time(answer, "oldest_run_time"),
        "audit_records": answer.audit_records,
        "audit_on_failure": answer.audit_on_failure,
        "audit_problems": list(answer.audit_problems),
        "audit_write_failures": answer.audit_write_failures,
        "audit_unrecorded": answer.audit_unrecorded,
    }
    none = "none: confidential workflows fail"
    backend = answer.confidential_backend or (f"{none}; see plugins" if answer.plugin_problems else none)
    if answer.insecure:
        backend += " · NO HARDWARE PROTECTION"
    runs = ", ".join(f"{count} {name}" for name, count in sorted(answer.runs.items()) if count) or "none"
    text = facts(
        [
            ("host", f"strongroom {answer.version}, {answer.state}, {answer.health}, {answer.mode}, pid {answer.pid}"),
            ("socket", document["socket"]),
            ("since", started),
            ("owner", answer.owner),
            ("storage", f"{answer.storage}, writing with {answer.writing_key_id}"),
            ("workflows", answer.workflows),
            ("runs", runs),
            ("kept since", document["oldest_run_time"]),
            ("removed", f"{answer.runs_purged} runs, older than they are kept" if answer.runs_purged else ""),
            ("confidential", backend),
            ("in force", ", ".join(answer.confidential_protections)),
            ("MISSING", "; ".join(answer.confidential_missing)),
            ("runners", f"{answer.runners}, wasmtime {answer.wasmtime_version}"),
            ("in force", ", ".join(answer.runner_protections)),
            ("MISSING", "; ".join(answer.runner_missing)),
            ("insecure", f"{answer.insecure_releases} executions" if answer.insecure_releases else ""),
            ("refused", ", ".join(f"{count} {code}" for code, count in refusals.items())),
            ("workspaces", f"{answer.workspaces} open" if answer.workspaces else ""),
            ("NOT OPEN", "; ".join(answer.workspace_problems)),
            ("relay", f"{answer.relay}, {answer.relay_connections} connections" if answer.relay else ""),
            ("it refused", ", ".join(f"{count} {code}" for code, count in relay_refusals.items())),
            ("plugins", "; ".join(answer.plugin_problems) or "all ready"),
            ("audit", _audit(answer)),
            ("AUDIT LOG", "; ".join(answer.audit_problems)),
        ]
    )
    caller.emit("status", document, f"{text}\n{_fence()}" if answer.insecure else text)


def _audit(answer: "status_pb2.StatusServiceGetResponse") -> str:
    failed = f", {answer.audit_write_failures} failed writes" if answer.audit_write_failures else ""
    lost = f", {answer.audit_unrecorded} not written" if answer.audit_unrecorded else ""
    return f"{answer.audit_records} records{failed}{lost}; when it takes none: {answer.audit_on_failure}"


def _fence() -> str:
    # Imported here: what it imports in turn is slow.
    from strongroom.attest.evidence import INSECURE

    return INSECURE


def add_to(app: typer.Typer) -> None:
    """Add both commands to the root."""
    verb(app, "status", example="strongroom status")(status)
    verb(app, "version", example="strongroom version", online=False)(version)
