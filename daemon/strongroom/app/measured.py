"""Where the numbers of a host are read from: the parts that have counted them already."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import Final

from strongroom.app.beat import Beat
from strongroom.app.build import Parts
from strongroom.registry.states import Lifecycle
from strongroom.services.probes import CODES
from strongroom.storage import meta
from strongroom.telemetry.metrics import Metrics, Sample, Source

__all__ = ["LAST_BACKUP", "measure", "of_state"]

LAST_BACKUP: Final = "last_backup_ms"
"""Its name among the facts about a database; whoever makes a backup writes it."""
SLOW_EVERY_S: Final = 600.0
"""How often what takes long is counted: every row of the database, every entry of a workspace."""


def measure(metrics: Metrics, parts: Parts, beat: Beat) -> None:
    """Have ``metrics`` ask the parts of a host."""
    sources: Mapping[str, Callable[[Parts], Iterator[Sample]]] = {
        "info": _info,
        "runs": _runs,
        "queue": _queue,
        "plugins": _plugins,
        "confidential": _confidential,
        "relay": _relay,
        "audit": _audit,
        "database": _database,
        "disk": _disk,
        "backup": _backup,
    }
    for name, read in sources.items():
        metrics.add(name, _bound(read, parts))
    metrics.add("beat", lambda: [Sample("work_beat_age_seconds", beat.age_s)])
    metrics.add("keys", _bound(_keys, parts), every_s=SLOW_EVERY_S)
    metrics.add("workspaces", _bound(_workspaces, parts), every_s=SLOW_EVERY_S)


def of_state(state: Callable[[], str]) -> Source:
    """The state of a host, which has one also before it has parts."""

    def read() -> Iterator[Sample]:
        now = state()
        for each in CODES:
            yield Sample("state", float(each == now), (each,))

    return read


def _bound(read: Callable[[Parts], Iterator[Sample]], parts: Parts) -> Source:
    return lambda: read(parts)


def _info(parts: Parts) -> Iterator[Sample]:
    yield Sample("info", 1.0, (metadata.version("strongroom"), parts.mode, parts.database.backend))


def _runs(parts: Parts) -> Iterator[Sample]:
    counts = parts.counts
    yield Sample("runs_started_total", counts.started)
    for outcome, number in counts.finished.items():
        yield Sample("runs_finished_total", number, (outcome,))
    yield Sample("run_duration_seconds", counts.durations)
    for (capability, code), spread in counts.calls.items():
        yield Sample("capability_request_duration_seconds", spread, (capability, code))
    for reason, number in counts.faults.items():
        yield Sample("decrypt_failures_total", number, (reason,))


def _queue(parts: Parts) -> Iterator[Sample]:
    dispatcher = parts.engine.dispatcher
    yield Sample("queue_depth", dispatcher.room.queued)
    yield Sample("oldest_pending_age_seconds", dispatcher.room.oldest_queued_s())
    yield Sample("runs_waiting", dispatcher.waiting)
    yield Sample("triggers_unheard", len(parts.desk.degraded()))
    yield Sample("runners", parts.pool.report().alive)
    yield Sample("runners_memory_bytes", parts.pool.memory_bytes())


def _plugins(parts: Parts) -> Iterator[Sample]:
    for plugin in parts.plugins.states():
        if plugin.state is not Lifecycle.DISABLED:
            yield Sample("plugin_up", float(plugin.state is Lifecycle.READY), (plugin.name,))
            yield Sample("plugin_restarts_total", plugin.restarts, (plugin.name,))


def _confidential(parts: Parts) -> Iterator[Sample]:
    for code, number in parts.tally.refusals.items():
        yield Sample("attestation_refusals_total", number, (code,))
    yield Sample("insecure_release_total", parts.tally.insecure_releases)


def _relay(parts: Parts) -> Iterator[Sample]:
    for code, number in parts.workspaces.relay.status().refused.items():
        yield Sample("relay_refusals_total", number, (code,))


def _audit(parts: Parts) -> Iterator[Sample]:
    yield Sample("audit_write_failures_total", parts.audit.log.failures)
    yield Sample("audit_unrecorded_total", parts.audit.audit.unrecorded)


def _database(parts: Parts) -> Iterator[Sample]:
    yield Sample("db_busy_total", parts.database.busy)
    yield Sample("wal_bytes", parts.database.wal_bytes())


def _disk(parts: Parts) -> Iterator[Sample]:
    if (free := parts.disk.free_bytes) >= 0:
        yield Sample("disk_free_bytes", free)


def _backup(parts: Parts) -> Iterator[Sample]:
    text = parts.database.read(lambda connection: meta.get(connection, LAST_BACKUP))
    yield Sample("last_backup_timestamp_seconds", int(text) / 1000 if text and text.isdecimal() else 0.0)


def _keys(parts: Parts) -> Iterator[Sample]:
    found: Counter[int] = Counter()
    for holding in parts.key_desk.holdings():
        found.update(holding.counts)
    for version, number in sorted(found.items()):
        yield Sample("blobs_by_key_version", number, (str(version),))


def _workspaces(parts: Parts) -> Iterator[Sample]:
    mounts = parts.workspaces.mounts
    names = [mount.name for mount in mounts.all() if mount.state == "open"]
    yield Sample("unreadable_entries", sum(len(mounts.get(name).workspace.unreadable()) for name in names))
