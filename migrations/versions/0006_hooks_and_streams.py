"""Hooks and streams of runs, heads of audit logs, and events by the thing that they are about."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG_ONLY = sa.text("length(correlation_id) > 20")


def upgrade() -> None:
    """Add the tables and the index."""
    op.create_table(
        "hooks",
        sa.Column("hook_id", TEXT, nullable=False),
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("token_digest", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", INT, nullable=False, autoincrement=False),
        sa.Column("disposed_at", INT, nullable=False, autoincrement=False),
        sa.Column("key_version", INT, nullable=False, autoincrement=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hook_id"),
        sa.UniqueConstraint("token_digest", name="hooks_token_key"),
    )
    op.create_index("hooks_by_run", "hooks", ["run_id", "hook_id"])
    op.create_table(
        "stream_chunks",
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("index", INT, nullable=False, autoincrement=False),
        sa.Column("written_by", TEXT, nullable=False),
        sa.Column("final", INT, nullable=False, autoincrement=False),
        sa.Column("created_at", INT, nullable=False, autoincrement=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "name", "index"),
        sa.UniqueConstraint("run_id", "name", "written_by", name="stream_chunks_writer_key"),
    )
    op.create_table(
        "audit_heads",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    # Steps of guests have short numbers for names; only what has a name of its own in the world is looked for.
    op.create_index(
        "run_events_by_correlation",
        "run_events",
        ["correlation_id", "run_id", "index"],
        sqlite_where=LONG_ONLY,
        postgresql_where=LONG_ONLY,
    )
