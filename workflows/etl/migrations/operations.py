"""What migrations of several versions do. Never changed: warehouses made before and after would differ."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from etl.tables import binary_text


def create_event_table(
    name: str, columns: Sequence[sa.Column[Any]], indexes: Mapping[str, Sequence[str]]
) -> None:
    """Create the table of a class of events, and the one beside it for what earlier days have of its ids.

    Args:
        name: the class's name.
        columns: the class's, without its id.
        indexes: the columns of each by the end of its name, which begins with the table's.
    """
    op.create_table(
        name,
        sa.Column("id", binary_text(100), primary_key=True),
        *(column.copy() for column in columns),
        sa.Column("run_date", sa.Date),
        sa.Index(f"{name}_by_run_date", "run_date"),
        *(sa.Index(f"{name}_{end}", *of) for end, of in indexes.items()),
    )
    op.create_table(
        f"superseded_{name}",
        sa.Column("id", binary_text(100), primary_key=True),
        *(column.copy() for column in columns),
        sa.Column("run_date", sa.Date, primary_key=True),
        sa.Index(f"superseded_{name}_by_run_date", "run_date"),
    )


def drop_event_table(name: str) -> None:
    """Drop both.

    Args:
        name: the class's name.
    """
    op.drop_table(f"superseded_{name}")
    op.drop_table(name)
