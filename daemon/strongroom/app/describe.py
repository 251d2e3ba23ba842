"""One screen of facts about a running daemon, for ``status``. Nothing in it is secret."""

import os
from collections.abc import Callable
from importlib import metadata

from strongroom.app.build import Parts
from strongroom.app.reach import Reach
from strongroom.app.workspaces import WorkspaceParts
from strongroom.engine.lifecycle import RunState
from strongroom.pb.strongroom.v1 import status_pb2

__all__ = ["describer"]

WELL = ("ready", "disabled")
OK = "ok"
DEGRADED = "degraded"


def describer(
    parts: Parts, started_ms: int, state: Callable[[], str]
) -> Callable[[], status_pb2.StatusServiceGetResponse]:
    """A function that describes the daemon as it is when called."""

    version = metadata.version("strongroom")
    reach = Reach(parts.registry)

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
        is_recorded = parts.audit.describe(answer)
        troubled = answer.insecure or answer.plugin_problems or answer.workspace_problems or not is_recorded
        answer.health = DEGRADED if troubled else OK
        return answer

    return describe


def _add_workspaces(answer: status_pb2.StatusServiceGetResponse, workspaces: WorkspaceParts) -> None:
    mounts = workspaces.mounts.all()
    answer.workspaces = sum(mount.state == "open" for mount in mounts)
    answer.workspace_problems.extend(
        f"{mount.name} is not open: {mount.problem} ({mount.code})" for mount in mounts if mount.state == "failed"
    )
    relay = workspaces.relay.status()
    answer.relay, answer.relay_connections = relay.address, relay.connections
    answer.relay_refusals.update(relay.refused)
