"""The first schema: workflows and their binaries, runs and their journals, plugin values, key checks."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Any: the library's types are generic in the Python type of a value, which a migration never sees.
KINDS: Mapping[str, sa.types.TypeEngine[Any]] = {"text": TEXT, "int": INT, "bytes": sa.LargeBinary()}


def columns(kinds: str) -> list[sa.Column[Any]]:
    """Columns from ``name:kind`` words; none may be null, no number is made up by the database."""
    pairs = (word.split(":") for word in kinds.split())
    return [sa.Column(name, KINDS[kind], nullable=False, autoincrement=False) for name, kind in pairs]


def upgrade() -> None:
    """Create every table."""
    op.create_table("meta", *columns("name:text value:text"), sa.PrimaryKeyConstraint("name"))
    op.create_table(
        "key_checks",
        *columns("version:int key_id:text check_value:bytes created_at:int"),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_table(
        "workflow_binaries",
        *columns("binary_sha256:text workflow:bytes"),
        sa.PrimaryKeyConstraint("binary_sha256"),
    )
    op.create_table(
        "workflow_specs",
        *columns(
            "workflow_id:text workflow_owner:text workflow_name:text workflow_tag:text status:text workflow:text"
            " binary_sha256:text binary_bytes:int encoding:text binary_url:text config_url:text config:bytes"
            " spec_type:text subscriptions:bytes sdk_label:text created_at:int updated_at:int registered_at:int"
            " source:text key_version:int mac:bytes"
        ),
        sa.PrimaryKeyConstraint("workflow_id"),
    )
    op.create_index("workflow_specs_by_time", "workflow_specs", ["created_at", "workflow_id"])
    op.create_index(
        "workflow_specs_by_name", "workflow_specs", ["workflow_owner", "workflow_name", "created_at", "workflow_id"]
    )
    op.create_index("workflow_specs_by_binary", "workflow_specs", ["binary_sha256"])
    op.create_table(
        "runs",
        *columns(
            "run_id:text execution_id:text workflow_id:text workflow_name:text workflow_owner:text trigger_index:int"
            " event_id:text status:text module:text backend:text insecure:int binary_sha256:text created_at:int"
            " started_at:int finished_at:int request_digest:bytes head_index:int head_tag:bytes input_bytes:int"
            " output_bytes:int error_code:text key_version:int epoch:int mac:bytes"
        ),
        sa.PrimaryKeyConstraint("run_id"),
        sa.UniqueConstraint("workflow_id", "trigger_index", "event_id", name="runs_event_key"),
    )
    op.create_index("runs_by_execution", "runs", ["execution_id"])
    op.create_index("runs_by_time", "runs", ["created_at", "run_id"])
    op.create_index("runs_by_workflow", "runs", ["workflow_id", "created_at", "run_id"])
    op.create_index("runs_by_owner", "runs", ["workflow_owner", "created_at", "run_id"])
    unfinished = sa.text("status IN ('pending', 'running', 'waiting')")
    op.create_index(
        "runs_unfinished", "runs", ["created_at", "run_id"], sqlite_where=unfinished, postgresql_where=unfinished
    )
    op.create_table(
        "run_events",
        *columns("run_id:text index:int event_type:text correlation_id:text created_at:int sealed:bytes"),
        sa.PrimaryKeyConstraint("run_id", "index"),
    )
    op.create_table(
        "plugin_values",
        *columns("plugin:text owner:text key:text value:bytes updated_at:int"),
        sa.PrimaryKeyConstraint("plugin", "owner", "key"),
    )
