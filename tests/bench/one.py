"""Measures one row here, and prints what was found as JSON: `python -m tests.bench.one ROW [DIR]`."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.bench import data
from tests.bench.measures import Figure
from tests.bench.rows import ROWS, Row


def measured(row: Row, folder: Path | None) -> dict[str, Any]:
    """Measure a row here.

    Args:
        row: the row.
        folder: real files to measure with; by default, sample days.
    """
    if row.measure is None:
        raise ValueError(f"{row.name} is measured on a machine with all of Airflow")
    return told(row, row.measure(data.days(folder)))


def told(row: Row, figure: Figure) -> dict[str, Any]:
    """Return what is told of a row.

    Args:
        row: the row.
        figure: what was measured.
    """
    return {
        "row": row.name,
        "what": row.what,
        "value": round(figure.value, 3),
        "unit": row.unit,
        "goal": row.goal,
        "met": row.is_met(figure.value),
        "details": figure.details,
    }


if __name__ == "__main__":
    name, *folders = sys.argv[1:]
    (wanted,) = (row for row in ROWS if row.name == name)
    sys.stdout.write(json.dumps(measured(wanted, Path(folders[0]) if folders else None)) + "\n")
