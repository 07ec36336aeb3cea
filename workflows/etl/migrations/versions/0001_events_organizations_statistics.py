"""The four event tables, the organizations and their statistics."""

import sqlalchemy as sa
from alembic import op

from etl.tables import binary_text, money, utc_datetime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "user_event",
        sa.Column("id", binary_text(100), primary_key=True),
        sa.Column("timestamp", utc_datetime(), nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("event", binary_text(100), nullable=False),
        sa.Column("social_network_type", binary_text(20)),
        sa.Index("user_event_activity", "timestamp", "event", "social_network_type", "user_id"),
    )
    op.create_table(
        "organization_payment",
        sa.Column("id", binary_text(100), primary_key=True),
        sa.Column("timestamp", utc_datetime(), nullable=False),
        sa.Column("organization_id", sa.Integer, nullable=False),
        sa.Column("event", binary_text(100), nullable=False),
        sa.Column("payment_amount", money(), nullable=False),
        sa.Column("payment_processor", binary_text(20), nullable=False),
        sa.Index("organization_payment_by_organization", "organization_id", "timestamp"),
    )
    op.create_table(
        "organization_event",
        sa.Column("id", binary_text(100), primary_key=True),
        sa.Column("timestamp", utc_datetime(), nullable=False),
        sa.Column("organization_id", sa.Integer, nullable=False),
        sa.Column("event", binary_text(100), nullable=False),
        sa.Index("organization_event_by_organization", "organization_id", "timestamp"),
    )
    op.create_table(
        "unknown_event",
        sa.Column("id", binary_text(100), primary_key=True),
        sa.Column("read_at", utc_datetime(), nullable=False),
        sa.Column("event_blob", binary_text(), nullable=False),
    )
    op.create_table(
        "organization",
        sa.Column("organization_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("organization_name", binary_text(255), nullable=False),
        sa.Column("created_date", utc_datetime(), nullable=False, server_default=sa.func.current_timestamp()),
        sa.Column(
            "modified_date", utc_datetime(), nullable=False, server_default=sa.func.current_timestamp()
        ),
    )
    op.create_table(
        "organization_user",
        sa.Column("organization_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("user_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("created_date", utc_datetime(), nullable=False, server_default=sa.func.current_timestamp()),
        sa.Column(
            "modified_date", utc_datetime(), nullable=False, server_default=sa.func.current_timestamp()
        ),
        sa.Index("organization_user_by_user", "user_id"),
    )
    op.create_table(
        "organization_statistic",
        sa.Column("organization_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("statistic", binary_text(100), primary_key=True),
        sa.Column("value", money(), nullable=False),
        sa.CheckConstraint("value BETWEEN -999999999.99 AND 999999999.99", name="statistic_fits"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "organization_statistic",
        "organization_user",
        "organization",
        "unknown_event",
        "organization_event",
        "organization_payment",
        "user_event",
    ):
        op.drop_table(table)
