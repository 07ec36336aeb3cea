# A program of a command, and not part of a package.
# ruff: noqa: INP001, T201
"""Has this host's workers finish the tasks that they run, and take no more: before maintenance.

``airflow-drain [WORKER…]``
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

LOOK_SECONDS = 1
# Between two lines of progress, unless something has changed.
SAY_SECONDS = 30
CGROUPS = Path("/sys/fs/cgroup")
# As Airflow names the process of a task.
TASK = b"airflow worker -- "


def show(unit: str, name: str) -> str:
    """Return a property of a unit."""
    command = ["systemctl", "show", "--value", f"--property={name}", unit]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


def is_task(process: str) -> bool:
    """Say whether a process runs a task; one that has ended doesn't."""
    try:
        return Path("/proc", process, "cmdline").read_bytes().startswith(TASK)
    except OSError:
        return False


def running(unit: str) -> int:
    """Return how many tasks a worker runs."""
    group = show(unit, "ControlGroup")
    try:
        processes = (CGROUPS / group.lstrip("/") / "cgroup.procs").read_text().split()
    except OSError:
        return 0
    return sum(map(is_task, processes))


def drain(units: dict[str, str]) -> bool:
    """Stop workers, and say which still run tasks until none does.

    Args:
        units: the units of the workers, by their names.

    Returns:
        Whether all have finished their tasks, in the time that they have for it.
    """
    stop = ["systemctl", "stop", "--no-block", *units.values()]
    subprocess.run(stop, check=True)  # noqa: S603
    start = said_at = time.monotonic()
    said: dict[str, str] = {}
    left = dict(units)
    while left:
        now = time.monotonic()
        overdue = now - said_at > SAY_SECONDS
        for name, unit in list(left.items()):
            if show(unit, "ActiveState") in ("inactive", "failed"):
                del left[name]
                state = "is stopped"
            else:
                state = f"finishes {running(unit)} tasks"
            if overdue or said.get(name) != state:
                print(f"{now - start:6.0f} s  {name} {state}", flush=True)
                said[name], said_at = state, now
        if left:
            time.sleep(LOOK_SECONDS)
    lost = [name for name, unit in units.items() if show(unit, "Result") != "success"]
    for name in lost:
        print(
            f"airflow-drain: {name} did not finish in its drainTimeout: its tasks are lost, and tried again",
            file=sys.stderr,
        )
    if not lost:
        print(f"Nothing runs any more. To take tasks again: systemctl start {' '.join(units.values())}")
    return not lost


def main(units: dict[str, str], words: list[str]) -> int:
    """Drain the workers that are named."""
    parser = argparse.ArgumentParser(
        prog="airflow-drain",
        description="Has workers of this host finish the tasks that they run, and take no more.",
        epilog="They go on if the command is interrupted. A start of airflow.target, or a boot, starts them.",
    )
    parser.add_argument("worker", nargs="*", help=f"by default all of them: {', '.join(units)}")
    wanted = parser.parse_args(words).worker or list(units)
    if unknown := [name for name in wanted if name not in units]:
        parser.error(f"this host has no worker {', '.join(unknown)}; it has {', '.join(units)}")
    if os.geteuid() != 0:
        print("airflow-drain: become root to run it", file=sys.stderr)
        return 1
    try:
        return 0 if drain({name: units[name] for name in wanted}) else 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text()), sys.argv[2:]))
