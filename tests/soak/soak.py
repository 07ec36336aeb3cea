"""Days are run on a machine while parts of it fail; each row and statistic is checked after each.

Every value comes from one seed: SOAK_SEED, 1 by default. SOAK_FAULTS takes only faults whose name matches it,
a regular expression.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.machine import evidence, files
from tests.machine.driver import Driver
from tests.soak.days import DAY, FIRST, Days, is_wanted
from tests.soak.faults import FAULTS, LONG, POWER_FAILURE, Fault

# As the module has them: the machine tests' host tries again at once, and all tries fall into one fault.
RETRY_DELAYS = """\
[Service]
Environment=AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY=15
Environment=AIRFLOW__CORE__MAX_TASK_RETRY_DELAY=86400
"""
DAEMONS = ("webserver", "scheduler", "dag-processor", "triggerer", "worker", "worker-watch")
UNITS = ("mysql", "redis-airflow", *(f"airflow-{name}" for name in DAEMONS))
# Folders that are filled, whose they are, and how large they are for it.
SMALL_DISKS = (
    ("/tmp", "root", "64M", "1777"),
    ("/var/backup/airflow", "airflow", "8M", "0700"),
    ("/var/log/airflow-worker", "airflow-worker", "64M", "0750"),
    ("/var/lib/mysql", "mysql", "700M", "0750"),
)

NAMES = [POWER_FAILURE, *(fault.name for fault in FAULTS)]


class Soak:
    """A machine with everything on it, and what is done to it."""

    def __init__(self, driver: Driver, folder: Path) -> None:
        (self.machine,) = driver.machines
        self.days = Days(driver, self.machine, {self.machine: UNITS}, folder)

    def start(self) -> None:
        files.write(
            self.machine.folder / "host/etc/systemd/system.control/airflow-.service.d/retries.conf",
            RETRY_DELAYS,
        )
        self.machine.start()
        self.days.script["wait_for_airflow"](self.machine)
        self.days.put(FIRST)

    def use_small_disks(self) -> None:
        """Move folders to disks that can be filled without harm; a power failure would empty them."""
        self.machine.succeed("systemctl stop airflow.target mysql", timeout=300)
        for folder, owner, size, mode in SMALL_DISKS:
            self.machine.succeed(
                f"cp --archive {folder} {folder}.before; mount -t tmpfs -o size={size} tmpfs {folder}",
                f"cp --archive {folder}.before/. {folder}",
                f"chown {owner}:{owner} {folder}; chmod {mode} {folder}",
            )
        self.machine.succeed("systemctl start mysql airflow.target", timeout=120)
        self.days.script["wait_for_airflow"](self.machine)

    def suffer(self, fault: Fault) -> None:
        days = self.days.days()
        time.sleep(self.days.draw.uniform(0, 6))
        self.machine.succeed(fault.begin, timeout=300)
        if fault.seconds:
            time.sleep(fault.seconds)
            self.machine.succeed(fault.end, timeout=120)
        self.days.recover(fault.name, days)

    def fail_the_power(self) -> None:
        days = self.days.days()
        time.sleep(self.days.draw.uniform(0, 6))
        self.machine.crash()
        self.machine.start()
        self.machine.wait_for_unit("s3.service", timeout=120)
        self.machine.wait_for_unit("mysql.service", timeout=120)
        # The S3 API of the tests forgets.
        self.days.put(*days, days[-1] + DAY)
        self.days.recover(POWER_FAILURE, days)


@contextmanager
def started(driver: Driver, folder: Path) -> Iterator[Soak]:
    soak = Soak(driver, folder)
    with evidence.kept("soak", driver.machines):
        try:
            soak.start()
            yield soak
        finally:
            soak.days.report()


@pytest.mark.skipif(not is_wanted(LONG.name), reason="SOAK_FAULTS names others")
def test_an_outage_of_ten_minutes(driver: Driver, tmp_path: Path) -> None:
    with started(driver, tmp_path) as soak:
        soak.suffer(LONG)


@pytest.mark.skipif(not any(map(is_wanted, NAMES)), reason="SOAK_FAULTS names others")
def test_faults(driver: Driver, tmp_path: Path) -> None:
    with started(driver, tmp_path) as soak:
        if is_wanted(POWER_FAILURE):
            soak.fail_the_power()
        soak.use_small_disks()
        faults = [fault for fault in FAULTS if is_wanted(fault.name)]
        soak.days.draw.shuffle(faults)
        for fault in faults:
            soak.suffer(fault)
