"""One screen of facts about a running daemon, for ``status``. Nothing in it is secret."""

import os
from collections.abc import Callable
from importlib import metadata
from typing import Final

from strongroom.app.build import Parts
from strongroom.app.condition import WELL, Condition
from strongroom.app.measured import LAST_BACKUP
from strongroom.app.reach import Reach
from strongroom.app.reload import Reloader
from strongroom.app.workspaces import WorkspaceParts
from strongroom.engine.lifecycle import RunState
from strongroom.guest.memory import resident_bytes
from strongroom.pb.strongroom.v1 import status_pb2
from strongroom.services.probes import Verdict
from strongroom.storage import meta

__all__ = ["describer"]

OK = "ok"
TRIGGER_PROBLEMS_MAX: Final = 100
"""Lines of a status; ``workflow get`` has those of each workflow."""


def describer(
    parts: Parts, reloader: Reloader, reach: Reach, condition: Condition, started_ms: int, state: Callable[[], str]
) -> Callable[[], status_pb2.StatusServiceGetResponse]:
    """A function that describes the daemon as it is when called."""

    version = metadata.version("strongroom")

    def describe() -> status_pb2.StatusServiceGetResponse:
        counts = parts.history.counts()
        report = parts.pool.report()
        answer = status_pb2.StatusServiceGetResponse(
            version=version,
            state=state(),
            mode=parts.mode,
            pid=os.getpid(),
            storage=parts.database.backend,
            writing_key_id=parts.root.key_id(parts.root.writing_version),
            runs={each.value: counts.get(each.value, 0) for each in RunState},
            workflows=parts.catalog.count(),
            runner_protections=report.protections,
            runner_missing=report.missing,
            wasmtime_version=report.wasmtime_version,
            runners=report.alive,
            owner=parts.owners.own,
            runs_purged=parts.retention.purged,
            plugin_problems=[
                f"{plugin.name} is {plugin.state}: {plugin.last_error}"
                for plugin in parts.plugins.states()
                if plugin.state not in WELL
            ],
        )
        answer.memory_lock = parts.memory_lock.way
        answer.insecure_releases = parts.tally.insecure_releases
        answer.attestation_refusals.update(parts.tally.refusals)
        answer.start_time.FromMilliseconds(started_ms)
        oldest_ms = parts.retention.oldest_ms()
        if oldest_ms is not None:
            answer.oldest_run_time.FromMilliseconds(oldest_ms)
        reached = reach.now()
        answer.plugin_problems.extend(reached.problems)
        if (backend := reached.backend) is not None:
            answer.confidential_backend, answer.insecure = backend.label, backend.insecure
            answer.confidential_protections.extend(backend.protections)
            answer.confidential_missing.extend(backend.missing)
        _add_workspaces(answer, parts.workspaces)
        _add_reload(answer, reloader)
        _add_room(answer, parts)
        answer.trigger_problems.extend(_unheard(parts))
        parts.audit.describe(answer)
        _add_health(answer, condition)
        return answer

    return describe


def _add_health(answer: status_pb2.StatusServiceGetResponse, condition: Condition) -> None:
    """The state that readiness has too, and why. That its database answers is known by now."""
    verdict = Verdict.of(condition.checks())
    answer.health = OK if verdict.state == "ready" else verdict.state
    for each in verdict.checks:
        if not each.is_well:
            answer.health_reasons.add(check=each.name, effect=each.effect, why=each.why, fix=each.fix)


def _add_workspaces(answer: status_pb2.StatusServiceGetResponse, workspaces: WorkspaceParts) -> None:
    mounts = workspaces.mounts.all()
    answer.workspaces = sum(mount.state == "open" for mount in mounts)
    answer.workspace_problems.extend(
        f"{mount.name} is not open: {mount.problem} ({mount.code})" for mount in mounts if mount.state == "failed"
    )
    relay = workspaces.relay.status()
    answer.relay, answer.relay_connections = relay.address, relay.connections
    answer.relay_refusals.update(relay.refused)


def _add_reload(answer: status_pb2.StatusServiceGetResponse, reloader: Reloader) -> None:
    answer.reload_problem = reloader.problem
    answer.needs_restart.extend(reloader.needs_restart)
    if reloader.last_ms:
        answer.reload_time.FromMilliseconds(reloader.last_ms)


def _unheard(parts: Parts) -> list[str]:
    return [
        f"{name} hears nothing of trigger {report.index}, {report.capability_id}: {report.reason}"
        for name, report in parts.desk.degraded()[:TRIGGER_PROBLEMS_MAX]
    ]


def _add_room(answer: status_pb2.StatusServiceGetResponse, parts: Parts) -> None:
    """How full it is: of runs, of bytes on the disk, of memory."""
    room = parts.engine.dispatcher.room
    answer.runs_queued, answer.oldest_queued_ms = room.queued, int(room.oldest_queued_s() * 1000)
    if (free := parts.disk.free_bytes) >= 0:
        answer.disk_free_bytes = free
    answer.disk_is_low = parts.disk.is_low
    answer.host_memory_bytes, answer.runners_memory_bytes = resident_bytes(os.getpid()), parts.pool.memory_bytes()
    backed_up = parts.database.read(lambda connection: meta.get(connection, LAST_BACKUP))
    if backed_up and backed_up.isdecimal():
        answer.backup_time.FromMilliseconds(int(backed_up))
