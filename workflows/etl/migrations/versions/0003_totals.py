"""The statistics by day: an index for the organizations of one day, and a table of each day's totals."""

import sqlalchemy as sa
from alembic import op

from etl.tables import binary_text, money

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add both, with the totals of the days that are there."""
    op.create_index(
        "organization_statistic_by_day",
        "organization_statistic",
        ["day", "statistic", "organization_id", "value"],
    )
    op.create_table(
        "organization_statistic_total",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("statistic", binary_text(100), primary_key=True),
        sa.Column("organizations", sa.Integer, nullable=False),
        sa.Column("value", money(20), nullable=False),
    )
    op.execute(
        "INSERT INTO organization_statistic_total (day, statistic, organizations, value) "
        "SELECT day, statistic, COUNT(*), SUM(value) FROM organization_statistic GROUP BY day, statistic"
    )


def downgrade() -> None:
    """Drop both."""
    op.drop_table("organization_statistic_total")
    op.drop_index("organization_statistic_by_day", "organization_statistic")
