"""Rows that are measured in a machine: by its Python, and with its MySQL server."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench import stack
from tests.bench.one import told
from tests.bench.rows import Row
from tests.machine import here
from tests.machine.driver import Driver
from tests.machine.files import link
from tests.machine.host_files import PROJECT

IN_THE_MACHINE = "/run/bench"


def measure_in_a_machine(rows: list[Row], folder: Path | None, notes: Console) -> dict[str, dict[str, Any]]:
    """Boot a machine, and measure rows in it.

    Args:
        rows: the rows.
        folder: real files to measure with.
        notes: where to tell what is being measured, and what can't be.

    Returns:
        What was measured, by the rows' names.
    """
    if not _can_boot(rows, notes):
        return {}
    found = {}
    with Driver("boot") as driver:
        (machine,) = driver.machines
        # Nothing is to run beside the benchmark.
        for unit in ("airflow.target", "mysql.service"):
            link(machine.folder / f"host/etc/systemd/system.control/{unit}", "/dev/null")
        machine.wait_for_unit("multi-user.target", timeout=120)
        for path in ("tests/__init__.py", "tests/bench"):
            machine.copy_from_host(str(PROJECT / path), f"{IN_THE_MACHINE}/{path}")
        given = ""
        if folder:
            machine.copy_from_host(str(folder.absolute()), f"{IN_THE_MACHINE}/data")
            given = "data"
        for row in rows:
            notes.print(f"{row.name}: {row.what}")
            text = machine.succeed(
                f"cd {IN_THE_MACHINE} && PYTHONPATH=/opt/plugins AIRFLOW_HOME=/run/airflow "
                f"/opt/airflow/bin/python -m tests.bench.one {row.name} {given}"
            )
            found[row.name] = json.loads(text.splitlines()[-1])
    return found


def measure_stack(rows: list[Row], notes: Console) -> dict[str, dict[str, Any]]:
    """Boot a machine with all of Airflow, and measure rows on it.

    Args:
        rows: the rows.
        notes: as above.

    Returns:
        What was measured, by the rows' names.
    """
    if not _can_boot(rows, notes):
        return {}
    found = {}
    with Driver("dag_order") as driver:
        (machine,) = driver.machines
        script = driver.prelude()
        stack.prepare(machine, script)
        # Days are run last, for they leave something to do.
        for row in sorted(rows, key=lambda row: row.name):
            notes.print(f"{row.name}: {row.what}")
            found[row.name] = told(row, stack.MEASURES[row.name](machine, script))
    return found


def _can_boot(rows: list[Row], notes: Console) -> bool:
    if reason := here.why_not():
        for row in rows:
            notes.print(f"{row.name}: not measured: {reason}")
        return False
    here.install_missing()
    return True
