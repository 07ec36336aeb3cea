"""CSV, for spreadsheets."""

import csv
from collections.abc import Iterable, Sequence
from datetime import date
from io import StringIO

from fastapi import Response

from organizations.charts import Chart

Cell = str | int | float | date | None
# What spreadsheets take for the beginning of a formula, and would carry out.
FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def table(name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """Return a table as a file to download.

    Args:
        name: what the file is called, without ``.csv``.
        header: the columns' names.
        rows: their values.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([_written(cell) for cell in row] for row in rows)
    return Response(
        text.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def chart(name: str, drawn: Chart) -> Response:
    """Return a chart's numbers, a day a row, as a file to download.

    Args:
        name: what the file is called, without ``.csv``.
        drawn: the chart.
    """
    rows = ((day, *(line.values[n] for line in drawn.series)) for n, day in enumerate(drawn.days))
    return table(name, ["day", *(line.label for line in drawn.series)], rows)


def _written(cell: Cell) -> Cell:
    if isinstance(cell, float):
        return f"{cell:.2f}"
    if isinstance(cell, str) and cell.startswith(FORMULAS):
        # The apostrophe makes it a text; spreadsheets don't show it.
        return f"'{cell}"
    return cell
