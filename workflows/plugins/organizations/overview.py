"""What all organizations did together, and what the loads of the days were like."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from etl.organization_queries import Values
from etl.tables import (
    day_load,
    day_load_rows,
    event_tables,
    malformed_line,
    organization_statistic_total,
)

from organizations.charts import Chart, Series, Value

CLASSES = {name: name.replace("_", " ") for name in event_tables}
LINES, FAULTS = "lines", "faults"
# How many malformed lines are shown.
SAMPLE = 20


@dataclass(frozen=True)
class MalformedLine:
    """A line that was no JSON or no text, and where it stands."""

    run_date: date
    object_key: str
    line_number: int
    beginning: str


def totals(connection: sa.Connection, days: Sequence[date]) -> dict[date, Values]:
    """Return the sums of the statistics over all organizations, by day.

    Args:
        connection: an open transaction.
        days: the days, in order.
    """
    total = organization_statistic_total.c
    query = sa.select(total.day, total.statistic, total.value).where(total.day.between(days[0], days[-1]))
    found: dict[date, Values] = {}
    for day, statistic, value in connection.execute(query).all():
        found.setdefault(day, {})[statistic] = float(value)
    return found


def loads(connection: sa.Connection, days: Sequence[date]) -> list[Chart]:
    """Return the charts of the loads: rows by class, and lines that were duplicates or malformed.

    Args:
        connection: an open transaction.
        days: the days, in order.
    """
    load, of_class = day_load.c, day_load_rows.c
    rows = {
        (day, table): float(count)
        for day, table, count in connection.execute(
            sa.select(of_class.run_date, of_class.event_table, of_class.row_count).where(
                of_class.run_date.between(days[0], days[-1])
            )
        ).all()
    }
    reports = {
        day: {"duplicates": float(duplicates), "malformed": float(malformed)}
        for day, duplicates, malformed in connection.execute(
            sa.select(load.run_date, load.duplicates, load.malformed).where(
                load.run_date.between(days[0], days[-1])
            )
        ).all()
    }

    def series(labels: dict[str, str], value: Callable[[date, str], Value]) -> list[Series]:
        return [
            Series(label, [value(day, name) for day in days], colour=n)
            for n, (name, label) in enumerate(labels.items())
        ]

    faults = {"duplicates": "duplicates", "malformed": "malformed lines"}
    return [
        Chart(
            LINES,
            "Rows loaded, by class",
            days,
            series(CLASSES, lambda day, name: rows.get((day, name), 0.0 if day in reports else None)),
        ),
        Chart(
            FAULTS,
            "Duplicates and malformed lines",
            days,
            series(faults, lambda day, name: reports[day][name] if day in reports else None),
        ),
    ]


def malformed(
    connection: sa.Connection, days: Sequence[date], limit: int | None = None
) -> list[MalformedLine]:
    """Return a sample of the malformed lines, the newest day first.

    Args:
        connection: an open transaction.
        days: the days, in order.
        limit: how many at most; None for all that are kept.
    """
    line = malformed_line.c
    query = (
        sa.select(line.run_date, line.object_key, line.line_number, line.beginning)
        .where(line.run_date.between(days[0], days[-1]))
        .order_by(line.run_date.desc(), line.number)
        .limit(limit)
    )
    return [MalformedLine(*row) for row in connection.execute(query).all()]
