"""Every metric that a host has: its name, its kind, its labels, and what it says. ``docs/metrics.md`` shows this table.

Rule 1: names end in their unit, counters in ``_total``; units are seconds and bytes.
Rule 2: a label has few values, known beforehand or configured by the operator; ids of runs are never among them.
"""

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["METRICS", "PREFIX", "Metric"]

PREFIX: Final = "strongroom_"
Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; its ``name`` is without the prefix."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


METRICS: Final = (
    Metric("info", "gauge", "Always 1; says which host this is.", ("version", "mode", "storage")),
    Metric("state", "gauge", "1 for the state that the host is in, 0 for the others; as /readyz says it.", ("state",)),
    Metric("runs_started_total", "counter", "Runs that were accepted, since the host started."),
    Metric("runs_finished_total", "counter", "Runs that ended here, by how they did.", ("outcome",)),
    Metric("run_duration_seconds", "histogram", "From acceptance of a run to its end on the disk, with all waiting."),
    Metric("queue_depth", "gauge", "Accepted runs that wait for a worker."),
    Metric("oldest_pending_age_seconds", "gauge", "How long the oldest of them has waited; 0 when none does."),
    Metric("runs_waiting", "gauge", "Runs that wait for something outside of the host: a time, an answer, a payload."),
    Metric("triggers_unheard", "gauge", "Subscriptions of active workflows that hear no events."),
    Metric("runners", "gauge", "Processes that execute guests."),
    Metric("runners_memory_bytes", "gauge", "Resident memory of those processes, of what can be read of them."),
    Metric(
        "capability_request_duration_seconds",
        "histogram",
        "Calls of capabilities by their answer: ok, or the word of the error.",
        ("capability", "code"),
    ),
    Metric("plugin_up", "gauge", "1 for a plugin that is ready.", ("plugin",)),
    Metric("plugin_restarts_total", "counter", "How often a plugin was started again.", ("plugin",)),
    Metric(
        "decrypt_failures_total",
        "counter",
        "What did not open: key_missing, not_ours (another format), tampered (also: another secret under its version).",
        ("reason",),
    ),
    Metric(
        "blobs_by_key_version",
        "gauge",
        "Sealed values and MACs in the database under a key version; counted now and then.",
        ("key_version",),
    ),
    Metric("unreadable_entries", "gauge", "Entries of open workspaces that their keys do not open; counted so too."),
    Metric("audit_write_failures_total", "counter", "Groups of audit records that could not be written."),
    Metric("audit_unrecorded_total", "counter", "Audit records that are missing, since they could not be written."),
    Metric("db_busy_total", "counter", "Statements that found the database locked by another program."),
    Metric("wal_bytes", "gauge", "Size of the write-ahead log of SQLite; 0 with PostgreSQL."),
    Metric("disk_free_bytes", "gauge", "Room on the disk of this host that is nearest to its mark."),
    Metric("last_backup_timestamp_seconds", "gauge", "When the last backup that is kept began, Unix time; 0: never."),
    Metric("attestation_refusals_total", "counter", "Confidential executions that were refused.", ("code",)),
    Metric("insecure_release_total", "counter", "Confidential executions without protection by hardware."),
    Metric("relay_refusals_total", "counter", "Connections that the relay of workspaces refused.", ("code",)),
    Metric("work_beat_age_seconds", "gauge", "Since the work loop last showed that it moves; /livez fails at 60."),
    Metric("scrape_errors_total", "counter", "Parts that could not be asked, or not in time.", ("part",)),
)
"""In the order in which they are shown."""
