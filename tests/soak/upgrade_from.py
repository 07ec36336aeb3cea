"""A machine of an earlier version of this project becomes one of this version, with all that it holds.

UPGRADE_FROM names the revision: ``UPGRADE_FROM=v1 pytest tests/soak/upgrade_from.py``.
"""

import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.machine import evidence
from tests.machine.debian_layer import debian_layer
from tests.machine.driver import Driver
from tests.machine.host_files import PROJECT, write_host
from tests.machine.python_layer import python_layer

REVISION = os.environ.get("UPGRADE_FROM")
pytestmark = pytest.mark.skipif(not REVISION, reason="UPGRADE_FROM does not name a revision")

HOST = "pipeline"
ADDRESSES = {"machine": "192.168.1.1"}
# Run by the earlier version's own code: makes its layers, and its files of a host.
MAKE = f"""
import sys
from pathlib import Path
from tests.machine.debian_layer import debian_layer
from tests.machine.host_files import write_host
from tests.machine.python_layer import python_layer
layers = [debian_layer(), python_layer()]
write_host(Path(sys.argv[1]), layers, {HOST!r}, {{}}, {ADDRESSES})
print(*layers, sep="\\n")
"""
ORGANIZATION = (
    "INSERT INTO organization (organization_id, organization_name) VALUES (1, 'One'); "
    "INSERT INTO organization_user (organization_id, user_id) VALUES (1, 1)"
)


class Upgrade:
    """One machine, of one version and then of another."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        (self.machine,) = driver.machines
        self.host = self.machine.folder / "host"
        self.script = driver.prelude()

    def _forget(self) -> None:
        """Leave nothing of the version that the machine was; what it wrote itself stays."""
        root = f"/run/machines/{self.machine.name}/root"
        enter = ["nsenter", "--target", str(self.driver.stage.pid), "--mount", "--"]
        subprocess.run([*enter, "sh", "-c", f"! mountpoint --quiet {root} || umount {root}"], check=True)
        shutil.rmtree(self.host)
        self.host.mkdir()

    def become_earlier(self, folder: Path) -> None:
        archive = subprocess.run(
            ["git", "archive", str(REVISION)], cwd=PROJECT, check=True, capture_output=True
        ).stdout
        subprocess.run(["tar", "--extract"], cwd=folder, check=True, input=archive)
        self._forget()
        made = subprocess.run(
            [sys.executable, "-c", MAKE, self.host],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder)},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.machine._lowers = [Path(line) for line in made.stdout.splitlines()[-2:]]  # noqa: SLF001

    def become_this(self) -> None:
        ids = _ids(self.host)
        self._forget()
        layers = [debian_layer(), python_layer()]
        write_host(self.host, layers, HOST, {}, ADDRESSES)
        _keep_ids(self.host, ids)
        self.machine._lowers = layers  # noqa: SLF001

    def put(self, *days: date) -> None:
        for day in days:
            self.script["put_object"](self.machine, day)

    def wait_for(self, day: str) -> None:
        """Wait for the run whose logical date is this day."""

        def done() -> bool:
            runs = self.script["api"](self.machine, "GET", "dags/daily_etls/dagRuns")["dag_runs"]
            return any(run["logical_date"][:10] == day and run["state"] == "success" for run in runs)

        self.script["wait_for"](f"{day} is done", done, 240)

    def rows(self, statement: str) -> list[str]:
        command = f'mysql --batch --skip-column-names warehouse --execute "{statement}"'
        return self.machine.succeed(command).splitlines()

    def version(self) -> str:
        found: dict[str, Any] = self.script["api"](self.machine, "GET", "version")
        return str(found["version"])


def _ids(host: Path) -> dict[str, str]:
    """Return the number of each group, and of the user of its name; NixOS keeps them over upgrades."""
    lines = (host / "etc/group").read_text().splitlines()
    return {name: number for name, _, number, _ in (line.split(":") for line in lines)}


def _keep_ids(host: Path, before: dict[str, str]) -> None:
    now = _ids(host)
    free = (str(number) for number in range(700, 800))
    new = {number: before.get(name) or next(free) for name, number in now.items()}
    for file in ("group", "passwd"):
        lines = [line.split(":") for line in (host / "etc" / file).read_text().splitlines()]
        for line in lines:
            line[2] = new.get(line[2], line[2])
            if file == "passwd":
                line[3] = new.get(line[3], line[3])
        (host / "etc" / file).write_text("\n".join(map(":".join, lines)) + "\n")


def test_upgrade(driver: Driver, tmp_path: Path) -> None:
    upgrade = Upgrade(driver)
    machine = upgrade.machine
    with evidence.kept("upgrade_from", driver.machines):
        upgrade.become_earlier(tmp_path)
        upgrade.script["wait_for_airflow"](machine)
        before = upgrade.version()
        upgrade.rows(ORGANIZATION)
        upgrade.put(date(2016, 2, 21), date(2016, 2, 22))
        upgrade.wait_for("2016-02-21")
        machine.succeed("airflow variables set kept 'over an upgrade'")
        machine.shutdown()

        upgrade.become_this()
        machine.start()
        upgrade.script["wait_for_airflow"](machine)
        driver.log(f"Airflow {before} became {upgrade.version()}")
        # What was there is there, and what was encrypted can be read.
        upgrade.wait_for("2016-02-21")
        assert "over an upgrade" in machine.succeed("airflow variables get kept")
        # The S3 API of the tests forgets.
        upgrade.put(date(2016, 2, 22), date(2016, 2, 23))
        upgrade.wait_for("2016-02-22")
        # Both days have the same event, and the statistics of both stand.
        assert upgrade.rows("SELECT id, DATE(timestamp) FROM user_event") == ["1\t2016-02-22"]
        assert upgrade.rows("SELECT DISTINCT day FROM organization_statistic ORDER BY day") == [
            "2016-02-21",
            "2016-02-22",
        ]
