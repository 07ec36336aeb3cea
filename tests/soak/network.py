"""Days are run on a worker host while it is cut off from the main host, and until it is gone for good.

SOAK_SEED and SOAK_FAULTS are as for soak.py.
"""

import time
from pathlib import Path

import pytest

from tests.machine import evidence
from tests.machine.driver import Driver
from tests.machine.machine import Machine
from tests.soak.days import FIRST, Days, is_wanted

MAIN_UNITS = (
    "mysql",
    "redis-airflow",
    *(f"airflow-{name}" for name in ("webserver", "scheduler", "dag-processor", "triggerer")),
)
WORKER_UNITS = ("airflow-worker", "airflow-worker-watch")
CUT_SECONDS = (30, 120, 600)
# The warehouse is on the main host: a user for the workers of other hosts.
LET_WORKERS_IN = (
    'password=$(sed "s/.*worker:\\(.*\\)@.*/\\1/" /etc/credentials/warehouse-url); mysql <<< "'
    "CREATE USER 'worker'@'%' IDENTIFIED BY '$password'; "
    "GRANT SELECT, INSERT, UPDATE, DELETE ON warehouse.* TO 'worker'@'%'\""
)


def start(host: Machine) -> None:
    host.start()
    # Of a repository of DAGs, which is not there: days don't need it.
    host.succeed("umask 077; echo none > /run/dags-key", "systemctl start airflow.target")


def cut_off(days: Days, worker: Machine, seconds: int) -> None:
    todo = days.days()
    time.sleep(days.draw.uniform(4, 16))
    worker.succeed("ip link set eth1 down")
    time.sleep(seconds)
    worker.succeed("ip link set eth1 up")
    days.recover(f"a worker host cut off for {seconds} s", todo)


def lose(days: Days, worker: Machine, spare: Machine) -> None:
    start(spare)
    spare.wait_for_unit("airflow-worker.service", timeout=120)
    todo = days.days()
    time.sleep(days.draw.uniform(4, 16))
    worker.succeed("ip link set eth1 down")
    del days.units[worker]
    days.units[spare] = WORKER_UNITS
    days.recover("a worker host gone for good", todo)


@pytest.mark.parametrize("driver", ["worker_host"], indirect=True)
def test_network(driver: Driver, tmp_path: Path) -> None:
    main, spare, worker = sorted(driver.machines, key=lambda machine: machine.name)
    days = Days(driver, main, {main: MAIN_UNITS, worker: WORKER_UNITS}, tmp_path)
    with evidence.kept("network", driver.machines):
        try:
            start(main)
            days.script["wait_for_airflow"](main)
            main.succeed(LET_WORKERS_IN)
            start(worker)
            worker.wait_for_unit("airflow-worker.service", timeout=120)
            days.put(FIRST)
            for seconds in CUT_SECONDS:
                if is_wanted(f"a worker host cut off for {seconds} s"):
                    cut_off(days, worker, seconds)
            if is_wanted("a worker host gone for good"):
                lose(days, worker, spare)
        finally:
            days.report()
