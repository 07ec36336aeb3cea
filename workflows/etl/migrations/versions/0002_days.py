"""Which day each row was loaded from, and what each day's load read.

Rows that are there already have no day: it is unknown. Loading a day again gives its rows their day.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from etl.tables import binary_text, money, utc_datetime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the days."""
    for name, columns in _event_columns().items():
        op.add_column(name, sa.Column("run_date", sa.Date))
        op.create_index(f"{name}_by_run_date", name, ["run_date"])
        op.create_table(
            f"superseded_{name}",
            sa.Column("id", binary_text(100), primary_key=True),
            *columns,
            sa.Column("run_date", sa.Date, primary_key=True),
            sa.Index(f"superseded_{name}_by_run_date", "run_date"),
        )
    op.create_table(
        "day_load",
        sa.Column("run_date", sa.Date, primary_key=True),
        sa.Column("loaded_at", utc_datetime(), nullable=False),
        sa.Column("lines", sa.BigInteger, nullable=False),
        sa.Column("duplicates", sa.BigInteger, nullable=False),
        sa.Column("malformed", sa.BigInteger, nullable=False),
        sa.Column("objects", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("statistics_at", utc_datetime()),
    )
    op.create_table(
        "day_load_rows",
        sa.Column("run_date", sa.Date, primary_key=True),
        sa.Column("event_table", binary_text(100), primary_key=True),
        sa.Column("row_count", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "day_object",
        sa.Column("run_date", sa.Date, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("object_key", binary_text(1024), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("etag", binary_text(100), nullable=False),
    )
    op.create_table(
        "malformed_line",
        sa.Column("run_date", sa.Date, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("object_key", binary_text(1024), nullable=False),
        sa.Column("line_number", sa.BigInteger, nullable=False),
        sa.Column("unknown_event_id", binary_text(100), nullable=False),
        sa.Column("beginning", binary_text(), nullable=False),
    )


def downgrade() -> None:
    """Drop the days, and what earlier days have of the ids of later ones."""
    for table in ("malformed_line", "day_object", "day_load_rows", "day_load"):
        op.drop_table(table)
    for name in _event_columns():
        op.drop_table(f"superseded_{name}")
        op.drop_index(f"{name}_by_run_date", name)
        op.drop_column(name, "run_date")


def _event_columns() -> dict[str, list[sa.Column[Any]]]:
    return {
        "user_event": [
            _timestamp(),
            sa.Column("user_id", sa.Integer, nullable=False),
            _event(),
            sa.Column("social_network_type", binary_text(20)),
        ],
        "organization_payment": [
            _timestamp(),
            _organization_id(),
            _event(),
            sa.Column("payment_amount", money(), nullable=False),
            sa.Column("payment_processor", binary_text(20), nullable=False),
        ],
        "organization_event": [_timestamp(), _organization_id(), _event()],
        "unknown_event": [
            sa.Column("read_at", utc_datetime(), nullable=False),
            sa.Column("event_blob", binary_text(), nullable=False),
        ],
    }


def _timestamp() -> sa.Column[Any]:
    return sa.Column("timestamp", utc_datetime(), nullable=False)


def _event() -> sa.Column[Any]:
    return sa.Column("event", binary_text(100), nullable=False)


def _organization_id() -> sa.Column[Any]:
    return sa.Column("organization_id", sa.Integer, nullable=False)
