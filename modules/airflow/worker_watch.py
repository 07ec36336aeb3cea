# A program of a unit, and not part of a package.
# ruff: noqa: INP001, T201
"""Restarts a worker that takes no tasks, though it has room for them and tasks wait in its queues.

A worker can lose its subscription with its connection to Redis, and still answer pings
(apache/airflow 63580). What it says of itself is no help then; that nobody takes a task is.
It is asked to end, so that it finishes the tasks that it has; one that has none and doesn't end is killed.
"""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from kombu.connection import Connection
from kombu.exceptions import OperationalError

# Between two looks. A task that was there at both was taken by nobody in between.
SECONDS = 10
TO_ANSWER = 5
# A worker that has just been started, or asked to stop, is left alone for a while.
SETTLED_SECONDS = 30


def broker_url(settings: dict[str, Any]) -> str:
    """Return the address of Redis, which a credential may be part of."""
    command = os.environ.get("AIRFLOW__CELERY__BROKER_URL_CMD")
    if command is None:
        return str(settings["broker_url"])
    return subprocess.run(shlex.split(command), check=True, capture_output=True, text=True).stdout  # noqa: S603


def oldest(broker: Connection, queues: list[str]) -> set[bytes]:
    """Return the message of each queue that has waited longest."""
    channel: Any = broker.default_channel
    found = [channel.client.lindex(queue, -1) for queue in queues]
    return {message for message in found if message}


def has_room(broker: Connection, name: str) -> bool:
    """Ask a worker whether it could take a task; one that doesn't answer takes none."""
    from celery import Celery  # noqa: PLC0415 - as large as the rest, and seldom needed

    with Celery(broker=broker.as_uri(include_password=True)) as app:
        asked = app.control.inspect(destination=[name], timeout=TO_ANSWER)
        pool, running, taken = asked.stats(), asked.active(), asked.reserved()
    if not (pool and running is not None and taken is not None):
        return True
    places: int = pool[name]["pool"]["max-concurrency"]
    return len(running[name]) + len(taken[name]) < places


def main_process(unit: str) -> int | None:
    """Return the process of a worker that has been up for a while."""
    command = ["systemctl", "show", "--property=ActiveState,ActiveEnterTimestampMonotonic,MainPID", unit]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    found = dict(line.split("=", 1) for line in said.splitlines())
    up = time.clock_gettime(time.CLOCK_MONOTONIC) - int(found["ActiveEnterTimestampMonotonic"]) / 1e6
    return int(found["MainPID"]) if found["ActiveState"] == "active" and up > SETTLED_SECONDS else None


def runs_tasks(process: int) -> bool:
    """Tell whether a worker runs tasks: a process of its pool has one of its own then."""
    for child in psutil.Process(process).children():
        # One that has ended has none.
        with suppress(psutil.NoSuchProcess):
            if child.children() and not is_helper(child):
                return True
    return False


def is_helper(process: psutil.Process) -> bool:
    """Tell whether a process is one of Python's multiprocessing, which start others that are no tasks."""
    return any("multiprocessing" in word for word in process.cmdline())


class Watch:
    """What was seen of a worker at the last look."""

    def __init__(self, unit: str, name: str, queues: list[str]) -> None:
        self.unit, self.name, self.queues = unit, name, queues
        self.waiting: set[bytes] = set()
        self.asked: int | None = None

    def look(self, broker: Connection) -> None:
        """Have the worker end when it takes no tasks; systemd starts it again."""
        before, self.waiting = self.waiting, oldest(broker, self.queues)
        if not before & self.waiting:
            return
        process = main_process(self.unit)
        if process is None or not has_room(broker, self.name):
            return
        if before & oldest(broker, self.queues):
            if process != self.asked:
                print(f"<4>{self.unit} has room and takes no tasks, though some wait: restarting it")
                # It finishes the tasks that it has.
                os.kill(process, signal.SIGTERM)
                self.asked = process
            elif not runs_tasks(process):
                print(f"<4>{self.unit} was to end, has nothing to do, and doesn't: killing it")
                os.kill(process, signal.SIGKILL)
            self.waiting = set()


def main(settings: dict[str, Any]) -> None:
    """Look for ever."""
    host = socket.gethostname()
    watches = [
        Watch(worker["unit"], f"celery@{host}-{worker['name']}", worker["queues"])
        for worker in settings["workers"]
    ]
    broker: Any = Connection(broker_url(settings), connect_timeout=TO_ANSWER)  # type: ignore[no-untyped-call]
    while True:
        try:
            with broker:
                for watch in watches:
                    watch.look(broker)
        except (OperationalError, OSError, *broker.connection_errors):
            # Without Redis nobody can take a task.
            for watch in watches:
                watch.waiting = set()
        time.sleep(SECONDS)


if __name__ == "__main__":
    # The end is nothing to tell of.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    main(json.loads(Path(sys.argv[1]).read_text()))
