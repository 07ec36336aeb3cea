"""A table of how organizations were doing, by day: asking the rules about all of them takes long for a page.

Days that are there already have no rows, and the rules are asked whenever such a day is shown.
"""

import sqlalchemy as sa
from alembic import op

from etl.tables import binary_text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create it."""
    op.create_table(
        "organization_health",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("organization_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("reason_count", sa.Integer, nullable=False),
        sa.Column("reasons", binary_text(255), nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("organization_health")
