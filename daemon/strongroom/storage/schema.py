"""The tables of this release, for statements. Migrations alone create them; a test holds the two to each other.

Times are Unix milliseconds, 0 where something has not happened yet. Text compares byte by byte on both databases, so
pages have one order everywhere. Sealed columns hold envelopes, never plaintext.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.types import TypeEngine

__all__ = [
    "AUDIT_HEADS",
    "HOOKS",
    "KEY_CHECKS",
    "META",
    "METADATA",
    "PLUGIN_VALUES",
    "RUNS",
    "RUN_EVENTS",
    "SEEN_EVENTS",
    "STREAM_CHUNKS",
    "UNFINISHED",
    "WORKFLOW_BINARIES",
    "WORKFLOW_SPECS",
]

UNFINISHED: Final = ("pending", "running", "waiting")

METADATA: Final = MetaData()

# SQLite compares text bytewise as it is; PostgreSQL does so in the C collation only.
_TEXT: Final[TypeEngine[str]] = Text().with_variant(Text(collation="C"), "postgresql")
_INT: Final[TypeEngine[int]] = BigInteger().with_variant(Integer(), "sqlite")
_BYTES: Final[TypeEngine[bytes]] = LargeBinary()


def _text(name: str) -> Column[str]:
    return Column(name, _TEXT, nullable=False)


def _int(name: str) -> Column[int]:
    # No number is made up by the database: every one comes from a statement.
    return Column(name, _INT, nullable=False, autoincrement=False)


def _bytes(name: str) -> Column[bytes]:
    return Column(name, _BYTES, nullable=False)


META: Final = Table("meta", METADATA, _text("name"), _text("value"), PrimaryKeyConstraint("name"))

KEY_CHECKS: Final = Table(
    "key_checks",
    METADATA,
    _int("version"),
    _text("key_id"),
    _bytes("check_value"),
    _int("created_at"),
    # Added later: 0 until the version is retired.
    Column("retired_at", _INT, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("version"),
)

WORKFLOW_BINARIES: Final = Table(
    "workflow_binaries", METADATA, _text("binary_sha256"), _bytes("workflow"), PrimaryKeyConstraint("binary_sha256")
)

WORKFLOW_SPECS: Final = Table(
    "workflow_specs",
    METADATA,
    _text("workflow_id"),
    _text("workflow_owner"),
    _text("workflow_name"),
    _text("workflow_tag"),
    _text("status"),
    _text("workflow"),
    _text("binary_sha256"),
    _int("binary_bytes"),
    _text("encoding"),
    _text("binary_url"),
    _text("config_url"),
    _bytes("config"),
    _text("spec_type"),
    _bytes("subscriptions"),
    _text("sdk_label"),
    _int("created_at"),
    _int("updated_at"),
    _int("registered_at"),
    _text("source"),
    _int("key_version"),
    _bytes("mac"),
    _bytes("attributes"),
    PrimaryKeyConstraint("workflow_id"),
    Index("workflow_specs_by_time", "created_at", "workflow_id"),
    Index("workflow_specs_by_name", "workflow_owner", "workflow_name", "created_at", "workflow_id"),
    Index("workflow_specs_by_binary", "binary_sha256"),
)

RUNS: Final = Table(
    "runs",
    METADATA,
    _text("run_id"),
    _text("execution_id"),
    _text("workflow_id"),
    _text("workflow_name"),
    _text("workflow_owner"),
    _int("trigger_index"),
    _text("event_id"),
    _text("status"),
    _text("module"),
    _text("backend"),
    _int("insecure"),
    _text("binary_sha256"),
    _int("created_at"),
    _int("started_at"),
    _int("finished_at"),
    _bytes("request_digest"),
    _int("head_index"),
    _bytes("head_tag"),
    _int("input_bytes"),
    _int("output_bytes"),
    _text("error_code"),
    _int("key_version"),
    _int("epoch"),
    _bytes("mac"),
    # Added later, with defaults that leave the MACs of older rows valid.
    Column("parent_run_id", _TEXT, nullable=False, server_default=text("''")),
    Column("wake_at", _INT, nullable=True),
    Column("assurance", _TEXT, nullable=False, server_default=text("''")),
    PrimaryKeyConstraint("run_id"),
    UniqueConstraint("workflow_id", "trigger_index", "event_id", name="runs_event_key"),
    # Not unique: the public id joins its parts without a border, so two events can share one.
    Index("runs_by_execution", "execution_id"),
    Index("runs_by_time", "created_at", "run_id"),
    Index("runs_by_workflow", "workflow_id", "created_at", "run_id"),
    Index("runs_by_owner", "workflow_owner", "created_at", "run_id"),
)
_UNFINISHED_ONLY: Final = RUNS.c.status.in_([literal_column(f"'{status}'") for status in UNFINISHED])
Index(
    "runs_unfinished",
    RUNS.c.created_at,
    RUNS.c.run_id,
    sqlite_where=_UNFINISHED_ONLY,
    postgresql_where=_UNFINISHED_ONLY,
)

RUN_EVENTS: Final = Table(
    "run_events",
    METADATA,
    _text("run_id"),
    _int("index"),
    _text("event_type"),
    _text("correlation_id"),
    _int("created_at"),
    _bytes("sealed"),
    PrimaryKeyConstraint("run_id", "index"),
)
_LONG_ONLY: Final = text("length(correlation_id) > 20")
Index(
    "run_events_by_correlation",
    RUN_EVENTS.c.correlation_id,
    RUN_EVENTS.c.run_id,
    RUN_EVENTS.c.index,
    sqlite_where=_LONG_ONLY,
    postgresql_where=_LONG_ONLY,
)

HOOKS: Final = Table(
    "hooks",
    METADATA,
    _text("hook_id"),
    _text("run_id"),
    # Null once the hook is disposed of, so that its token may be taken again.
    Column("token_digest", _BYTES, nullable=True),
    _int("created_at"),
    _int("disposed_at"),
    _int("key_version"),
    _bytes("mac"),
    PrimaryKeyConstraint("hook_id"),
    UniqueConstraint("token_digest", name="hooks_token_key"),
    Index("hooks_by_run", "run_id", "hook_id"),
)

STREAM_CHUNKS: Final = Table(
    "stream_chunks",
    METADATA,
    _text("run_id"),
    _text("name"),
    _int("index"),
    _text("written_by"),
    _int("final"),
    _int("created_at"),
    _bytes("sealed"),
    PrimaryKeyConstraint("run_id", "name", "index"),
    UniqueConstraint("run_id", "name", "written_by", name="stream_chunks_writer_key"),
)

AUDIT_HEADS: Final = Table("audit_heads", METADATA, _text("name"), _bytes("sealed"), PrimaryKeyConstraint("name"))

SEEN_EVENTS: Final = Table(
    "seen_events",
    METADATA,
    _text("workflow_id"),
    _int("trigger_index"),
    _text("event_id"),
    _text("run_id"),
    _int("expires_at"),
    PrimaryKeyConstraint("workflow_id", "trigger_index", "event_id"),
    Index("seen_events_by_expiry", "expires_at"),
)

PLUGIN_VALUES: Final = Table(
    "plugin_values",
    METADATA,
    _text("plugin"),
    _text("owner"),
    _text("key"),
    _bytes("value"),
    _int("updated_at"),
    PrimaryKeyConstraint("plugin", "owner", "key"),
)
