"""``runs.parent_run_id`` and ``runs.wake_at``, and the events that are remembered after their runs are gone."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns, empty in runs from before, and the table."""
    op.add_column("runs", sa.Column("parent_run_id", TEXT, nullable=False, server_default=sa.text("''")))
    # Null and not 0: the MAC of a row leaves out what is null, and the rows from before keep theirs.
    op.add_column("runs", sa.Column("wake_at", INT, nullable=True))
    op.create_table(
        "seen_events",
        sa.Column("workflow_id", TEXT, nullable=False),
        sa.Column("trigger_index", INT, nullable=False, autoincrement=False),
        sa.Column("event_id", TEXT, nullable=False),
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("expires_at", INT, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("workflow_id", "trigger_index", "event_id"),
    )
    op.create_index("seen_events_by_expiry", "seen_events", ["expires_at"])
