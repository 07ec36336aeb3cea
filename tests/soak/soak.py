"""Days are run on a machine while parts of it fail; each row and statistic is checked after each.

Every value comes from one seed: SOAK_SEED, 1 by default. SOAK_FAULTS takes only faults whose name holds it.
"""

import json
import os
import random
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.machine import evidence, files, here
from tests.machine.driver import PRELUDE, Driver
from tests.soak.expected import COLUMNS, Expected
from tests.soak.faults import FAULTS, LONG, POWER_FAILURE, Fault

REASON = here.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

SEED = int(os.environ.get("SOAK_SEED", "1"))
ONLY = os.environ.get("SOAK_FAULTS", "")
FIRST = date(2016, 2, 21)
DAY = timedelta(days=1)
EVENTS_PER_DAY = 400
DAYS_PER_FAULT = 2
# From the end of a fault until the days are done and all is well: a retry included.
LIMIT_SECONDS = 360
# As the module has them: the machine tests' host tries again at once, and all tries fall into one fault.
RETRY_DELAYS = """\
[Service]
Environment=AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY=15
Environment=AIRFLOW__CORE__MAX_TASK_RETRY_DELAY=86400
"""
DAEMONS = ("webserver", "scheduler", "dag-processor", "triggerer", "worker")
UNITS = " ".join(["mysql", "redis-airflow", *(f"airflow-{name}" for name in DAEMONS)])
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


@pytest.fixture
def driver() -> Iterator[Driver]:
    here.install_missing()
    with Driver("recovery") as made:
        yield made


class Soak:
    """Days, one after the other, and what must come of them."""

    def __init__(self, driver: Driver, folder: Path) -> None:
        self.driver = driver
        self.folder = folder
        (self.machine,) = driver.machines
        self.script = driver.test_symbols()
        exec(PRELUDE.read_text(), self.script)
        self.expected = Expected(EVENTS_PER_DAY, SEED)
        self.draw = random.Random(SEED)
        self.next_day = FIRST
        self.results: list[tuple[str, int, int, int]] = []

    def put(self, *days: date) -> None:
        for day in days:
            self.machine.succeed(
                f"etl sample-data --s3 --days 1 --start {day} --events-per-day {EVENTS_PER_DAY} --seed {SEED}"
            )

    def api(self, path: str) -> Any:
        return self.script["api"](self.machine, "GET", path)

    def start(self) -> None:
        files.write(
            self.machine.folder / "host/etc/systemd/system.control/airflow-.service.d/retries.conf",
            RETRY_DELAYS,
        )
        self.machine.start()
        self.script["wait_for_airflow"](self.machine)
        self.put(FIRST)

    def use_small_disks(self) -> None:
        """Move folders to disks that can be filled without harm; a power failure would empty them."""
        self.machine.succeed("systemctl stop airflow.target mysql 'airflow-*'", timeout=300)
        for folder, owner, size in (
            ("/var/log/airflow-worker", "airflow-worker", "64M"),
            ("/var/lib/mysql", "mysql", "700M"),
        ):
            self.machine.succeed(
                f"cp --archive {folder} {folder}.before; mount -t tmpfs -o size={size} tmpfs {folder}",
                f"cp --archive {folder}.before/. {folder}",
                f"chown {owner}:{owner} {folder}; chmod 0750 {folder}",
            )
        self.machine.succeed("systemctl start mysql airflow.target", timeout=120)
        self.script["wait_for_airflow"](self.machine)

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
        states = self.machine.succeed(f"systemctl show --property ActiveState --value {UNITS}").split()
        health = self.api("monitor/health")
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return set(states) == {"active"} and all(health[part]["status"] == "healthy" for part in parts)

    def suffer(self, fault: Fault) -> None:
        days = self.days()
        time.sleep(self.draw.uniform(0, 6))
        self.machine.succeed(fault.begin, timeout=300)
        if fault.seconds:
            time.sleep(fault.seconds)
            self.machine.succeed(fault.end, timeout=120)
        self.recover(fault.name, days)

    def fail_the_power(self) -> None:
        days = self.days()
        time.sleep(self.draw.uniform(0, 6))
        self.machine.crash()
        self.machine.start()
        self.machine.wait_for_unit("s3.service", timeout=120)
        self.machine.wait_for_unit("mysql.service", timeout=120)
        # The S3 API of the tests forgets.
        self.put(*days, days[-1] + DAY)
        self.recover(POWER_FAILURE, days)

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
            self.machine.copy_from_host(str(self.folder / name), f"/run/{name}")
        self.machine.succeed("/opt/airflow/bin/python /run/dump.py /run/statements.json /run/found.json")
        found = json.loads(self.machine.succeed("cat /run/found.json"))
        statistics = {(day, int(who), name, value) for day, who, name, value in found.pop("statistics")}
        assert statistics == self.expected.statistics, f"{fault}: other statistics"
        for table, rows in found.items():
            assert {tuple(row) for row in rows} == set(self.expected.rows[table].values()), (
                f"{fault}: {table}"
            )
            assert len(rows) == len(self.expected.rows[table]), f"{fault}: {table}"


def test_soak(driver: Driver, tmp_path: Path) -> None:
    soak = Soak(driver, tmp_path)
    try:
        soak.start()
        if ONLY in POWER_FAILURE:
            soak.fail_the_power()
        soak.use_small_disks()
        faults: list[Fault] = [fault for fault in (*FAULTS, LONG) if ONLY in fault.name]
        soak.draw.shuffle(faults)
        for fault in faults:
            soak.suffer(fault)
    except Exception as error:
        error.add_note(f"Journals are in {evidence.save('soak', driver.machines)}")
        raise
    finally:
        for name, well, done, tries in soak.results:
            driver.log(f"| {name} | {well} s | {done} s | {tries} |")
    assert soak.results
