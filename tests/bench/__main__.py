"""Measures ours against the limits, and prints a table; `make bench BENCH=classify` measures one row."""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.machine import measure_in_a_machine, measure_stack
from tests.bench.one import measured
from tests.bench.rows import ROWS, Place, Row


def main() -> int:
    """Measure.

    Returns:
        0 if every row was measured, whether its goal is met or not; 2 for a wrong argument.
    """
    arguments = _arguments()
    rows = [row for row in ROWS if not arguments.only or row.name == arguments.only]
    if not rows:
        names = ", ".join(row.name for row in ROWS)
        sys.stderr.write(f"make bench: there is no row {arguments.only}; there are {names}\n")
        return 2
    found = _measure(rows, arguments.data)
    if arguments.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        _show(found)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", default="", metavar="ROW", help="only this row")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="real files, named YYYY-MM-DD*, to measure with"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser.parse_args()


def _measure(rows: list[Row], folder: Path | None) -> list[dict[str, Any]]:
    notes = Console(stderr=True, highlight=False)
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.place is Place.HERE:
            notes.print(f"{row.name}: {row.what}")
            found[row.name] = measured(row, folder)
    if in_machine := [row for row in rows if row.place is Place.MACHINE]:
        found |= measure_in_a_machine(in_machine, folder, notes)
    if of_stack := [row for row in rows if row.place is Place.STACK]:
        found |= measure_stack(of_stack, notes)
    return [found[row.name] for row in rows if row.name in found]


def _show(found: list[dict[str, Any]]) -> None:
    table = Table("row", "what", "ours", "goal", "", "made of")
    for row in found:
        ours = f"{row['value']:g} {row['unit']}".strip()
        table.add_row(
            row["row"], row["what"], ours, row["goal"], "met" if row["met"] else "NOT MET", row["details"]
        )
    Console(width=max(120, shutil.get_terminal_size().columns)).print(table)


if __name__ == "__main__":
    sys.exit(main())
