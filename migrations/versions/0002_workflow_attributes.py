"""``workflow_specs.attributes``: the JSON that decides how a workflow runs. Workflows from before have an empty one."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column. An empty BLOB is ``x''`` to SQLite, for which ``''`` is text."""
    empty = "''" if op.get_bind().dialect.name == "postgresql" else "x''"
    op.add_column(
        "workflow_specs", sa.Column("attributes", sa.LargeBinary(), nullable=False, server_default=sa.text(empty))
    )
