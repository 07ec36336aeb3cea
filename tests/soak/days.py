"""Days that machines load, one after the other, and what must come of them."""

import json
import os
import random
import re
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.machine.driver import Driver
from tests.machine.machine import Machine
from tests.soak.expected import COLUMNS, Expected

SEED = int(os.environ.get("SOAK_SEED", "1"))
ONLY = os.environ.get("SOAK_FAULTS", "")
FIRST = date(2016, 2, 21)
DAY = timedelta(days=1)
EVENTS_PER_DAY = 400
DAYS_PER_FAULT = 2
# From the end of a fault until the days are done and all is well: a retry included.
LIMIT_SECONDS = 360
DUMP = """
import json, sys
import MySQLdb
socket = "/run/mysqld/mysqld.sock"
connection = MySQLdb.connect(unix_socket=socket, user="root", db="warehouse", charset="utf8mb4")
found = {}
for name, statement in json.load(open(sys.argv[1])).items():
    cursor = connection.cursor()
    cursor.execute(statement)
    found[name] = [[None if value is None else str(value) for value in row] for row in cursor.fetchall()]
json.dump(found, open(sys.argv[2], "w"))
"""


def is_wanted(fault: str) -> bool:
    """Tell whether a fault is among those that were asked for."""
    return re.search(ONLY, fault) is not None


class Days:
    """Days, one after the other, and what must come of them.

    Args:
        driver: of the machines.
        main: the one that schedules.
        units: what must be active on which of them, for all to be well.
        folder: for small files.
    """

    def __init__(
        self, driver: Driver, main: Machine, units: dict[Machine, tuple[str, ...]], folder: Path
    ) -> None:
        self.driver = driver
        self.main = main
        self.units = units
        self.folder = folder
        self.script = driver.prelude()
        self.expected = Expected(EVENTS_PER_DAY, SEED)
        self.draw = random.Random(SEED)
        self.next_day = FIRST
        self.results: list[tuple[str, int, int, int]] = []

    def put(self, *days: date) -> None:
        for day in days:
            self.main.succeed(
                f"etl sample-data --s3 --days 1 --start {day} --events-per-day {EVENTS_PER_DAY} --seed {SEED}"
            )

    def api(self, path: str) -> Any:
        return self.script["api"](self.main, "GET", path)

    def days(self) -> list[date]:
        """Complete the next days, so that they run."""
        days = [self.next_day + number * DAY for number in range(DAYS_PER_FAULT)]
        self.put(*(day + DAY for day in days))
        return days

    def done(self, days: list[date]) -> bool:
        runs = self.api("dags/daily_etls/dagRuns?limit=100&order_by=-run_after")["dag_runs"]
        states = {run["logical_date"][:10]: run["state"] for run in runs}
        return all(states.get(str(day)) == "success" for day in days)

    def well(self) -> bool:
        show = "systemctl show --property ActiveState --value"
        states = [
            state
            for machine, units in self.units.items()
            for state in machine.succeed(f"{show} {' '.join(units)}").split()
        ]
        health = self.api("monitor/health")
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return set(states) == {"active"} and all(health[part]["status"] == "healthy" for part in parts)

    def recover(self, fault: str, days: list[date]) -> None:
        start = time.monotonic()
        took: dict[str, int] = {}
        while time.monotonic() - start < LIMIT_SECONDS and len(took) < len(("well", "done")):
            for what, holds in (("well", self.well), ("done", lambda: self.done(days))):
                try:
                    if what not in took and holds():
                        took[what] = round(time.monotonic() - start)
                except Exception:  # noqa: BLE001 - while it can't be asked, it isn't so
                    pass
            time.sleep(1)
        assert len(took) == len(("well", "done")), f"{fault}: after {LIMIT_SECONDS} s only {took}"
        tries = max(self.tries(days))
        self.results.append((fault, took["well"], took["done"], tries))
        self.driver.log(
            f"{fault}: well after {took['well']} s, days done after {took['done']} s, {tries} tries"
        )
        for day in days:
            self.expected.add(day)
        self.next_day = days[-1] + DAY
        self.check(fault)

    def tries(self, days: list[date]) -> Iterator[int]:
        for day in days:
            moment = datetime.combine(day + DAY, datetime.min.time(), UTC)
            run = f"scheduled__{moment.isoformat()}".replace("+", "%2B")
            found = self.api(f"dags/daily_etls/dagRuns/{run}/taskInstances")["task_instances"]
            yield from (task["try_number"] for task in found)

    def check(self, fault: str) -> None:
        """Compare every row and every statistic."""
        statements = {
            table: f"SELECT {', '.join(f'`{name}`' for name in columns)} FROM {table}"
            for table, columns in COLUMNS.items()
        }
        statements["statistics"] = "SELECT day, organization_id, statistic, value FROM organization_statistic"
        for name, text in (("dump.py", DUMP), ("statements.json", json.dumps(statements))):
            (self.folder / name).write_text(text)
            self.main.copy_from_host(str(self.folder / name), f"/run/{name}")
        self.main.succeed("/opt/airflow/bin/python /run/dump.py /run/statements.json /run/found.json")
        found = json.loads(self.main.succeed("cat /run/found.json"))
        statistics = {(day, int(who), name, value) for day, who, name, value in found.pop("statistics")}
        assert statistics == self.expected.statistics, f"{fault}: other statistics"
        for table, rows in found.items():
            assert {tuple(row) for row in rows} == set(self.expected.rows[table].values()), (
                f"{fault}: {table}"
            )
            assert len(rows) == len(self.expected.rows[table]), f"{fault}: {table}"

    def report(self) -> None:
        """Say the results, as rows of the README's table."""
        for name, well, done, tries in self.results:
            self.driver.log(f"| {name} | {well} s | {done} s | {tries} |")
