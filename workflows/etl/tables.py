"""The warehouse's tables, as they are after the newest migration."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite

from etl.event_classes import EVENT_CLASSES, UNKNOWN_EVENT
from etl.fields import Amount, EventClass, Field, Integer, OneOf, Text, Timestamp

LARGEST_AMOUNT = 999999999.99

metadata = sa.MetaData()


def binary_text(length: int | None = None) -> sa.types.TypeEngine[str]:
    """Return a text type that compares byte by byte, trailing spaces included.

    Args:
        length: the most characters it holds; None for as many as the database can.
    """
    # utf8mb4_bin would take 'a' and 'a ' for the same id.
    collation = "utf8mb4_0900_bin"
    if length is None:
        return sa.Text().with_variant(mysql.LONGTEXT(collation=collation), "mysql")
    return (
        sa.String(length)
        .with_variant(mysql.VARCHAR(length, collation=collation), "mysql")
        .with_variant(sa.String(length, collation="C"), "postgresql")
    )


def utc_datetime() -> sa.types.TypeEngine[datetime]:
    """Return a type for times in UTC, to the second."""
    in_sqlite = sqlite.DATETIME(truncate_microseconds=True)  # type: ignore[no-untyped-call]
    return sa.DateTime().with_variant(in_sqlite, "sqlite")


def _since() -> list[sa.Column[Any]]:
    return [
        sa.Column(name, utc_datetime(), nullable=False, server_default=sa.func.current_timestamp())
        for name in ("created_date", "modified_date")
    ]


def _run_date() -> sa.Column[Any]:
    """Return the column of the newest day whose objects have a row; no day is known of rows from before."""
    return sa.Column("run_date", sa.Date)


def money(digits: int = 11) -> sa.types.TypeEngine[Any]:
    """Return a type for amounts, two of whose digits are decimals.

    Args:
        digits: how many it has.
    """
    # SQLite hands out floats; turning them into decimals would only look exact.
    return sa.Numeric(digits, 2).with_variant(sa.Numeric(digits, 2, asdecimal=False), "sqlite")


def _column(field: Field) -> sa.Column[Any]:
    type_: sa.types.TypeEngine[Any]
    match field.kind:
        case Text(max_length):
            type_ = binary_text(max_length)
        case OneOf():
            type_ = binary_text(20)
        case Timestamp():
            type_ = utc_datetime()
        case Integer():
            type_ = sa.Integer()
        case Amount():
            type_ = money()
        case other:
            raise TypeError(f"there is no type of columns for {other}")
    return sa.Column(field.column, type_, primary_key=field.column == "id", nullable=field.optional)


def _event_table(name: str, columns: Iterable[sa.Column[Any]], indexes: Iterable[sa.Index] = ()) -> sa.Table:
    return sa.Table(
        name, metadata, *columns, _run_date(), sa.Index(f"{name}_by_run_date", "run_date"), *indexes
    )


def _class_table(class_: EventClass) -> sa.Table:
    indexes = [sa.Index(f"{class_.name}_{name}", *columns) for name, columns in class_.indexes.items()]
    return _event_table(class_.name, map(_column, class_.fields), indexes)


unknown_event = _event_table(
    UNKNOWN_EVENT,
    [
        sa.Column("id", binary_text(100), primary_key=True),
        sa.Column("read_at", utc_datetime(), nullable=False),
        sa.Column("event_blob", binary_text(), nullable=False),
    ],
)
# By their names, in the order in which the classes are tried.
event_tables = {class_.name: _class_table(class_) for class_ in EVENT_CLASSES} | {
    UNKNOWN_EVENT: unknown_event
}
# Those that statistics are made of.
user_event = event_tables["user_event"]
organization_payment = event_tables["organization_payment"]
organization_event = event_tables["organization_event"]


def superseded(table: sa.Table) -> sa.Table:
    """Return the table beside an event table that keeps what earlier days have of the ids of later ones.

    Args:
        table: the event table; of an id, it has what the newest day has.
    """
    name = f"superseded_{table.name}"
    columns = [
        sa.Column(
            column.name,
            column.type,
            primary_key=column.name in ("id", "run_date"),
            nullable=bool(column.nullable) and column.name != "run_date",
        )
        for column in table.columns
    ]
    return sa.Table(name, table.metadata, *columns, sa.Index(f"{name}_by_run_date", "run_date"))


superseded_by = {table: superseded(table) for table in event_tables.values()}

day_load = sa.Table(
    "day_load",
    metadata,
    sa.Column("run_date", sa.Date, primary_key=True),
    sa.Column("loaded_at", utc_datetime(), nullable=False),
    *(
        sa.Column(name, sa.BigInteger, nullable=False)
        for name in ("lines", "duplicates", "malformed", "objects", "bytes")
    ),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("statistics_at", utc_datetime()),
)
day_load_rows = sa.Table(
    "day_load_rows",
    metadata,
    sa.Column("run_date", sa.Date, primary_key=True),
    sa.Column("event_table", binary_text(100), primary_key=True),
    sa.Column("row_count", sa.BigInteger, nullable=False),
)
day_object = sa.Table(
    "day_object",
    metadata,
    sa.Column("run_date", sa.Date, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("object_key", binary_text(1024), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("etag", binary_text(100), nullable=False),
)
malformed_line = sa.Table(
    "malformed_line",
    metadata,
    sa.Column("run_date", sa.Date, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("object_key", binary_text(1024), nullable=False),
    sa.Column("line_number", sa.BigInteger, nullable=False),
    sa.Column("unknown_event_id", binary_text(100), nullable=False),
    sa.Column("beginning", binary_text(), nullable=False),
)
organization = sa.Table(
    "organization",
    metadata,
    sa.Column("organization_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("organization_name", binary_text(255), nullable=False),
    *_since(),
)
organization_user = sa.Table(
    "organization_user",
    metadata,
    sa.Column("organization_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("user_id", sa.Integer, primary_key=True, autoincrement=False),
    *_since(),
    sa.Index("organization_user_by_user", "user_id"),
)
organization_statistic = sa.Table(
    "organization_statistic",
    metadata,
    sa.Column("organization_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("statistic", binary_text(100), primary_key=True),
    sa.Column("value", money(), nullable=False),
    # SQLite has no bounds of its own.
    sa.CheckConstraint(f"value BETWEEN -{LARGEST_AMOUNT} AND {LARGEST_AMOUNT}", name="statistic_fits"),
    sa.Index("organization_statistic_by_day", "day", "statistic", "organization_id", "value"),
)
organization_statistic_total = sa.Table(
    "organization_statistic_total",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("statistic", binary_text(100), primary_key=True),
    sa.Column("organizations", sa.Integer, nullable=False),
    sa.Column("value", money(20), nullable=False),
)
organization_health = sa.Table(
    "organization_health",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("organization_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("reason_count", sa.Integer, nullable=False),
    # The names of the rules, with spaces between them.
    sa.Column("reasons", binary_text(255), nullable=False),
)
