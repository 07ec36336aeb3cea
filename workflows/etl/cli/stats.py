"""`etl stats`."""

import argparse
import csv
import logging
import sys
from datetime import date
from difflib import get_close_matches
from typing import Any

import sqlalchemy as sa

from etl import config, warehouse
from etl.cli.output import print_json
from etl.errors import EtlError
from etl.tables import organization, organization_statistic

COLUMNS = ("day", "organization_id", "organization_name", "statistic", "value")

logger = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> None:
    """Show the statistics of one day.

    Args:
        arguments: the command's.

    Raises:
        EtlError: there is no such organization, or the warehouse fails.
    """
    with warehouse.transaction(config.warehouse_url()) as connection:
        wanted = None if arguments.organization is None else _ids(connection, arguments.organization)
        day = arguments.run_date or connection.scalar(sa.select(sa.func.max(organization_statistic.c.day)))
        rows = _rows(connection, day, wanted)
        advice = "" if rows else _advice(connection, day, wanted)
    as_json = arguments.json or arguments.format == "json"
    if as_json:
        print_json([row | {"day": f"{row['day']}", "value": float(row["value"])} for row in rows])
    elif arguments.format == "csv":
        writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | {"value": f"{row['value']:.2f}"} for row in rows)
    elif rows:
        _print_table(day, rows)
    else:
        print(advice)
        return
    if advice:
        logger.warning("%s", advice)


def _ids(connection: sa.Connection, wanted: str) -> list[int]:
    """Return the organization with this id, or else those with this name."""
    known: dict[int, str | None] = {
        row.organization_id: row.organization_name for row in connection.execute(sa.select(organization))
    }
    if found := [id_ for id_ in known if str(id_) == wanted]:
        return found
    if found := [id_ for id_, name in known.items() if name == wanted]:
        return found
    if found := [id_ for id_ in _no_longer_listed(connection) if str(id_) == wanted]:
        return found
    alike = {name.casefold(): name for name in known.values() if name}
    near = [alike[name] for name in get_close_matches(wanted.casefold(), alike, n=3)]
    meant = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise EtlError(
        f"there is no organization {wanted if wanted.isdecimal() else repr(wanted)} in the warehouse{meant}"
    )


def _no_longer_listed(connection: sa.Connection) -> list[int]:
    """Return the organizations that have statistics, and have been replaced by others since."""
    id_ = organization_statistic.c.organization_id
    listed = sa.select(organization.c.organization_id)
    return list(connection.scalars(sa.select(id_).where(id_.not_in(listed)).distinct()))


def _rows(connection: sa.Connection, day: date | None, wanted: list[int] | None) -> list[dict[str, Any]]:
    """Return the statistics of a day as they were computed; an organization that has gone has no name."""
    statistic = organization_statistic.c
    query = (
        sa.select(
            statistic.day,
            statistic.organization_id,
            organization.c.organization_name,
            statistic.statistic,
            statistic.value,
        )
        .outerjoin_from(
            organization_statistic,
            organization,
            organization.c.organization_id == statistic.organization_id,
        )
        .where(statistic.day == day)
        .order_by(statistic.organization_id, statistic.statistic)
    )
    if wanted is not None:
        query = query.where(statistic.organization_id.in_(wanted))
    return [dict(row) for row in connection.execute(query).mappings()]


def _advice(connection: sa.Connection, day: date | None, wanted: list[int] | None) -> str:
    if connection.scalar(sa.select(organization.c.organization_id).limit(1)) is None:
        return "there are no organizations: `etl import-organizations` brings them"
    if day is None:
        return "there are no statistics yet: `etl organization-stats` computes them"
    of_day = sa.select(organization_statistic.c.day).where(organization_statistic.c.day == day).limit(1)
    if wanted is not None and connection.scalar(of_day) is not None:
        return f"no statistics for {day}: nothing of the organization's is in its windows"
    return f"no statistics for {day}: `etl organization-stats` computes them"


def _print_table(day: date, rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "organization", "statistic", title=f"Statistics of {day}")
    table.add_column("value", justify="right")
    for row in rows:
        table.add_row(
            str(row["organization_id"]),
            _printable(row["organization_name"] or "(no longer listed)"),
            row["statistic"],
            f"{row['value']:,.2f}",
        )
    # Another program wants a row in one line.
    width = None if sys.stdout.isatty() else 1000
    Console(highlight=False, markup=False, width=width).print(table)


def _printable(name: str) -> str:
    """Return a name that others have written, without the control characters that a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
