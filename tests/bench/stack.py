"""Rows of all of Airflow on a machine: how fast days go by, and what it takes when there is nothing to do."""

import statistics
from itertools import pairwise
from typing import Any

from tests.bench.measures import Figure
from tests.machine.machine import Machine, retry
from tests.machine.usage import cpu_seconds, memory

DAYS = 10
# From then on, days that wait look seldom.
SETTLED_SECONDS = 40
IDLE_SECONDS = 30
MINUTES = 10
# What Airflow would do without the modules' settings.
AIRFLOWS = {
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "5",
    # By which the processes of tasks have loaded the pipeline before there is one.
    "AIRFLOW__CELERY__EXTRA_CELERY_CONFIG": "{}",
}
STARTS = (
    "SELECT UNIX_TIMESTAMP(start_date) FROM task_instance WHERE dag_id = 'daily_etls' "
    "AND task_id = 'etl_load_events' AND state = 'success' ORDER BY start_date"
)


def idle_memory(machine: Machine, _: dict[str, Any]) -> Figure:
    """Return the memory of all units when nothing is to be done, in GB."""
    sizes = memory(machine)
    told = ", ".join(f"{unit.removeprefix('airflow-')} {size}" for unit, size in sizes.items())
    return Figure(sum(sizes.values()) / 1024, f"MB of {told}")


def idle_cpu(machine: Machine, _: dict[str, Any]) -> Figure:
    """Return the share of a core that all processes take when nothing is to be done, in percent."""
    before = cpu_seconds(machine)
    machine.sleep(IDLE_SECONDS)
    return Figure(100 * (cpu_seconds(machine) - before) / IDLE_SECONDS, f"in {IDLE_SECONDS} s")


def machine_day(machine: Machine, script: dict[str, Any]) -> Figure:
    """Return how long a day of a catch-up takes, against one with Airflow's default settings."""
    ours = _seconds_of_a_day(machine, "2016-02-21", 0)
    _set(machine, AIRFLOWS)
    script["wait_for_airflow"](machine)
    airflows = _seconds_of_a_day(machine, "2016-03-02", DAYS)
    return Figure(ours / airflows, f"{ours:.2f} against {airflows:.2f} s")


def _seconds_of_a_day(machine: Machine, first: str, before: int) -> float:
    machine.succeed(f"etl sample-data --s3 --days {DAYS + 1} --start {first} --events-per-day 50")
    retry(lambda _: len(_starts(machine)) >= before + DAYS, 60 * MINUTES)
    starts = _starts(machine)[before:]
    # The first ones come while the worker's processes still start.
    return statistics.median(after - start for start, after in pairwise(starts[2:]))


def _starts(machine: Machine) -> list[float]:
    found = machine.succeed(f'mysql --skip-column-names airflow --execute "{STARTS}"')
    return [float(text) for text in found.split()]


def _set(machine: Machine, settings: dict[str, str]) -> None:
    """Let Airflow's scheduler and worker start again with settings."""
    lines = "\\n".join(f"Environment={name}={value}" for name, value in settings.items())
    for unit in ("airflow-scheduler", "airflow-worker"):
        folder = f"/run/systemd/system/{unit}.service.d"
        machine.succeed(f"mkdir -p {folder} && printf '[Service]\\n{lines}\\n' > {folder}/bench.conf")
    machine.succeed(
        "systemctl daemon-reload && systemctl restart airflow-scheduler airflow-worker", timeout=180
    )


MEASURES = {"machine-day": machine_day, "idle-memory": idle_memory, "idle-cpu": idle_cpu}


def prepare(machine: Machine, script: dict[str, Any]) -> None:
    """Wait until all of it is up, and has nothing to do.

    Args:
        machine: the machine.
        script: the functions of the scripts of `tests/nixos`.
    """
    script["wait_for_airflow"](machine)
    machine.sleep(SETTLED_SECONDS)
