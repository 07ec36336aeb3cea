# A program of a unit, and not part of a package.
# ruff: noqa: INP001
"""Sends what the warehouse knows of the days' loads to the StatsD exporter.

``etl_metrics.py STATSD_PORT``; it runs every two minutes, for the exporter forgets what isn't sent again.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, time

import sqlalchemy as sa
from etl import warehouse
from etl.config import warehouse_url
from etl.tables import day_load, day_load_rows
from health import Figure
from metrics import send

# What a load's report calls them, and the metrics, with their units.
REPORTED = {
    "lines": "last_day_lines",
    "duplicates": "last_day_duplicate_lines",
    "malformed": "last_day_malformed_lines",
    "objects": "last_day_objects",
    "bytes": "last_day_bytes",
    "seconds": "last_day_load_seconds",
}


def figures(connection: sa.Connection) -> Iterator[Figure]:
    """Say what was loaded: of the newest day, and of all days together.

    Args:
        connection: to the warehouse.

    Yields:
        The figures; none before the first day is loaded.
    """
    last = connection.execute(sa.select(day_load).order_by(day_load.c.run_date.desc()).limit(1)).one_or_none()
    if last is None:
        return
    day = datetime.combine(last.run_date, time(), UTC)
    yield Figure("last_day_timestamp_seconds", day.timestamp())
    for name, metric in REPORTED.items():
        yield Figure(metric, last._mapping[name])  # noqa: SLF001 - SQLAlchemy's, and public
    rows = sa.func.sum(day_load_rows.c.row_count)
    of_table = sa.select(day_load_rows.c.event_table, rows).group_by(day_load_rows.c.event_table)
    of_last = of_table.where(day_load_rows.c.run_date == last.run_date)
    for metric, query in (("last_day_rows", of_last), ("loaded_rows", of_table)):
        for table, count in connection.execute(query):
            yield Figure(metric, int(count), {"table": table})


if __name__ == "__main__":
    with warehouse.transaction(warehouse_url()) as connection:
        send(int(sys.argv[1]), "etl", list(figures(connection)))
