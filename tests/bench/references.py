"""What is the limit, or the plain way: written out simply, to compare with."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from etl import tables

LOADED = tuple(tables.event_tables.values())
NETWORKS = {"Twitter", "Facebook", "Instagram", "LinkedIn"}
PROCESSORS = {"Chase", "PayPal"}
LARGEST, LONGEST = 2**31 - 1, 100
UNKNOWN = "unknown_event"


def classify(line: bytes) -> tuple[object, ...]:
    """Read a line by ``json.loads``, and tell by the same rules, written lean, what it is."""
    try:
        event = json.loads(line)
        name, extra = event["event"], event.get("extra_data") or {}
        common = (event["event_id"], datetime.fromisoformat(event["timestamp"]), name)
        if len(name) > LONGEST or len(event["event_id"]) > LONGEST:
            return (UNKNOWN,)
        if (user := event.get("user_id")) is not None:
            network = extra.get("social_network_type")
            row = ("user_event", *common, user, network if network in NETWORKS else None)
            return row if type(user) is int and abs(user) <= LARGEST else (UNKNOWN,)
        organization = event["organization_id"]
        kind: tuple[object, ...] = ("organization_event",)
        if extra.get("payment_processor") in PROCESSORS:
            kind = ("organization_payment", f"{float(extra['payment_amount']):.2f}")
        return (*kind, *common, organization) if type(organization) is int else (UNKNOWN,)
    except (ValueError, KeyError, TypeError, AttributeError):
        return (UNKNOWN,)


Rows = dict[sa.Table, list[tuple[Any, ...]]]


def rows_of(connection: sa.Connection) -> Rows:
    """Return what a load has written, in the order of its keys: as text, where numbers are not needed."""
    return {
        table: [
            tuple(value if value is None or isinstance(value, int | float) else str(value) for value in row)
            for row in connection.execute(sa.select(table).order_by(table.c.id))
        ]
        for table in LOADED
    }


def insert_prepared(connection: sa.Connection, rows: Rows) -> None:
    """Write prepared rows by the driver's ``executemany``: nothing is read, decided or looked up."""
    for table, values in rows.items():
        places = ", ".join("?" * len(table.columns))
        connection.exec_driver_sql(f"INSERT INTO {table.name} VALUES ({places})", values)


def load_data_file(rows: Sequence[tuple[Any, ...]]) -> str:
    """Return prepared rows as LOAD DATA reads them by default."""
    return "".join("\t".join(map(_field, row)) + "\n" for row in rows)


def _field(value: Any) -> str:
    if value is None:
        return r"\N"
    text = str(value)
    for character, escaped in (("\\", r"\\"), ("\t", r"\t"), ("\n", r"\n"), ("\0", r"\0")):
        text = text.replace(character, escaped)
    return text
