"""The state of a host as a document and as one screen for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from strongroom.cli.caller import facts
from strongroom.cli.sizes import size
from strongroom.cli.views import optional_time
from strongroom.pb.strongroom.v1 import status_pb2

__all__ = ["document_of", "reason_lines", "text_of"]


def document_of(answer: status_pb2.StatusServiceGetResponse, socket: Path) -> dict[str, Any]:  # Any: JSON
    """The document of ``strongroom status``."""
    return {
        "version": answer.version,
        "state": answer.state,
        "health": answer.health,
        "health_reasons": [
            {"check": each.check, "effect": each.effect, "why": each.why, "fix": each.fix}
            for each in answer.health_reasons
        ],
        "mode": answer.mode,
        "socket": str(socket),
        "start_time": optional_time(answer, "start_time"),
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
        "memory_lock": answer.memory_lock,
        "owner": answer.owner,
        "plugin_problems": list(answer.plugin_problems),
        "runs_purged": answer.runs_purged,
        "insecure_releases": answer.insecure_releases,
        "attestation_refusals": _sorted(answer.attestation_refusals),
        "workspaces": answer.workspaces,
        "workspace_problems": list(answer.workspace_problems),
        "trigger_problems": list(answer.trigger_problems),
        "relay": answer.relay,
        "relay_connections": answer.relay_connections,
        "relay_refusals": _sorted(answer.relay_refusals),
        "oldest_run_time": optional_time(answer, "oldest_run_time"),
        "audit_records": answer.audit_records,
        "audit_on_failure": answer.audit_on_failure,
        "audit_problems": list(answer.audit_problems),
        "audit_write_failures": answer.audit_write_failures,
        "audit_unrecorded": answer.audit_unrecorded,
        "reload_problem": answer.reload_problem,
        "reload_time": optional_time(answer, "reload_time"),
        "needs_restart": list(answer.needs_restart),
        "runs_queued": answer.runs_queued,
        "oldest_queued_ms": answer.oldest_queued_ms,
        "disk_free_bytes": answer.disk_free_bytes if answer.HasField("disk_free_bytes") else None,
        "disk_is_low": answer.disk_is_low,
        "host_memory_bytes": answer.host_memory_bytes,
        "runners_memory_bytes": answer.runners_memory_bytes,
        "backup_time": optional_time(answer, "backup_time"),
    }


def text_of(answer: status_pb2.StatusServiceGetResponse, document: dict[str, Any]) -> str:  # Any: JSON
    """The screen, with what is wrong in capitals."""
    none = "none: confidential workflows fail"
    backend = answer.confidential_backend or (f"{none}; see plugins" if answer.plugin_problems else none)
    if answer.insecure:
        backend += " · NO HARDWARE PROTECTION"
    runs = ", ".join(f"{count} {name}" for name, count in sorted(answer.runs.items()) if count) or "none"
    return facts(
        [
            ("host", f"strongroom {answer.version}, {answer.state}, {answer.health}, {answer.mode}, pid {answer.pid}"),
            *reason_lines(document["health_reasons"]),
            ("socket", document["socket"]),
            ("since", document["start_time"]),
            ("owner", answer.owner),
            ("storage", f"{answer.storage}, writing with {answer.writing_key_id}"),
            ("workflows", answer.workflows),
            ("runs", runs),
            ("queue", _queue(answer)),
            ("room", _room(answer)),
            ("backup", document["backup_time"] or "none yet: strongroom backup create PATH"),
            ("kept since", document["oldest_run_time"]),
            ("removed", f"{answer.runs_purged} runs, older than they are kept" if answer.runs_purged else ""),
            ("confidential", backend),
            ("in force", ", ".join(answer.confidential_protections)),
            ("MISSING", "; ".join(answer.confidential_missing)),
            ("memory", answer.memory_lock),
            ("runners", f"{answer.runners}, wasmtime {answer.wasmtime_version}"),
            ("in force", ", ".join(answer.runner_protections)),
            ("MISSING", "; ".join(answer.runner_missing)),
            ("insecure", f"{answer.insecure_releases} executions" if answer.insecure_releases else ""),
            ("refused", ", ".join(f"{count} {code}" for code, count in document["attestation_refusals"].items())),
            ("workspaces", f"{answer.workspaces} open" if answer.workspaces else ""),
            ("NOT OPEN", "; ".join(answer.workspace_problems)),
            ("NOT HEARD", "; ".join(answer.trigger_problems)),
            ("relay", f"{answer.relay}, {answer.relay_connections} connections" if answer.relay else ""),
            ("it refused", ", ".join(f"{count} {code}" for code, count in document["relay_refusals"].items())),
            ("plugins", "; ".join(answer.plugin_problems) or "all ready"),
            ("audit", _audit(answer)),
            ("AUDIT LOG", "; ".join(answer.audit_problems)),
            ("reloaded", document["reload_time"]),
            ("NOT RELOADED", answer.reload_problem),
            ("needs a restart", ", ".join(answer.needs_restart)),
        ]
    )


def reason_lines(reasons: Sequence[Mapping[str, str]]) -> list[tuple[str, object]]:
    """Why the host is not quite well: a label in capitals, and what is the matter and what to do, for each reason."""
    return [
        (each["effect"].replace("_", "-").upper(), f"{each['check']}: {each['why']}; {each['fix']}") for each in reasons
    ]


def _sorted(counts: Any) -> dict[str, int]:  # Any: a map of protobuf
    return {code: counts[code] for code in sorted(counts)}


def _queue(answer: status_pb2.StatusServiceGetResponse) -> str:
    if not answer.runs_queued:
        return ""
    return f"{answer.runs_queued} wait for a runner, the oldest for {answer.oldest_queued_ms / 1000:.1f} s"


def _room(answer: status_pb2.StatusServiceGetResponse) -> str:
    parts = [f"memory {size(answer.host_memory_bytes)} host, {size(answer.runners_memory_bytes)} runners"]
    if answer.HasField("disk_free_bytes"):
        parts.append(f"disk {size(answer.disk_free_bytes)} free")
    if answer.disk_is_low:
        parts.append("THE DISK IS FULL: read-only until there is room")
    return ", ".join(parts)


def _audit(answer: status_pb2.StatusServiceGetResponse) -> str:
    failed = f", {answer.audit_write_failures} failed writes" if answer.audit_write_failures else ""
    lost = f", {answer.audit_unrecorded} not written" if answer.audit_unrecorded else ""
    return f"{answer.audit_records} records{failed}{lost}; when it takes none: {answer.audit_on_failure}"
