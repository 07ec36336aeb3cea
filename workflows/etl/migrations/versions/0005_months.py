"""Indexes by time for what organizations paid and did in a month: none of the months before is looked at."""

from alembic import op

revision = "0005"
down_revision = "0004"

INDEXES = {
    "organization_payment_paid": ("organization_payment", ["timestamp", "organization_id", "payment_amount"]),
    "organization_event_activity": ("organization_event", ["timestamp", "event", "organization_id"]),
}


def upgrade() -> None:
    """Add them."""
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    """Drop them."""
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table)
