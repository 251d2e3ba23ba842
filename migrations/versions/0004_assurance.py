"""``runs.assurance``: the class that the last receipt of a confidential run claims."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the column. Empty in runs from before: the MAC of a row leaves out what is empty, so theirs stay valid."""
    op.add_column("runs", sa.Column("assurance", TEXT, nullable=False, server_default=sa.text("''")))
