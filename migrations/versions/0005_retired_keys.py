"""``key_checks.retired_at``: when a key version was retired; the keyring may be without it from then on."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the column. No version from before is retired."""
    op.add_column("key_checks", sa.Column("retired_at", INT, nullable=False, server_default=sa.text("0")))
