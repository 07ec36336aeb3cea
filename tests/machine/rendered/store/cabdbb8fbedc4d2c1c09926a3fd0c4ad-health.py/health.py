# A program of a command, and not part of a package.
# ruff: noqa: INP001, T201
"""Says how everything is that Airflow needs on this host: exit code 0 if all is well, 1 if not.

``airflow-health [--json]``; the alarm asks the same.
"""

import argparse
import json
import os
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 30
# A unit that dies and is started again is up in between, but not for so long.
SETTLED_SECONDS = 30
# Workers answer within milliseconds, if at all.
ANSWER_SECONDS = 2
UNIT_PROPERTIES = (
    "ActiveState",
    "SubState",
    "Result",
    "Type",
    "RemainAfterExit",
    "ActiveEnterTimestampMonotonic",
)
LEAST_FREE = 0.05
LEAST_FREE_BYTES = 2**30
LEAST_CERTIFICATE_DAYS = 7
# Of tasks that are not done, or won't be by themselves.
STATES = ("scheduled", "queued", "running", "deferred", "up_for_retry", "up_for_reschedule", "failed")
# A task that a worker has room for is taken at once.
LONGEST_QUEUED_SECONDS = 15 * 60


@dataclass(frozen=True)
class Figure:
    """What was measured of one thing; the metric's name ends with its unit."""

    metric: str
    value: float
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """What was found of one thing."""

    name: str
    said: str
    well: bool = True
    figures: tuple[Figure, ...] = ()


def show(units: Sequence[str], *properties: str) -> list[dict[str, str]]:
    """Return properties of units, of each in the order given."""
    if not units:
        return []
    command = ["systemctl", "show", f"--property={','.join(properties)}", *units]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return [dict(line.split("=", 1) for line in found.splitlines()) for found in said.split("\n\n")]


def unit(name: str, found: dict[str, str]) -> Finding:
    """Say how a unit is, of which these properties were found."""
    state = f"{found['ActiveState']} ({found['SubState']}, {found['Result']})"
    if found.get("Type") == "oneshot" and found["RemainAfterExit"] == "no":
        # A job: it is over, or at work, unless it has failed.
        return Finding(name, state, well=found["ActiveState"] != "failed")
    if found["ActiveState"] != "active":
        return Finding(name, state, well=False)
    up = time.clock_gettime(time.CLOCK_MONOTONIC) - int(found["ActiveEnterTimestampMonotonic"]) / 1e6
    if found.get("Type") == "notify" and up < SETTLED_SECONDS:
        return Finding(name, f"started {up:.0f} s ago", well=False)
    return Finding(name, f"active for {duration(up)}")


def duration(seconds: float) -> str:
    """Say a duration as people do."""
    for name, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"


def units(settings: dict[str, Any]) -> Iterator[Finding]:
    """Say how Airflow's units are, and those that it needs."""
    (target,) = show(["airflow.target"], "Wants")
    wanted = sorted({*target["Wants"].split(), *settings["units"]})
    yield from map(unit, wanted, show(wanted, *UNIT_PROPERTIES))


def page(settings: dict[str, Any]) -> Iterator[Finding]:
    """Say what the web server says of Airflow's parts."""
    with urllib.request.urlopen(settings["page"], timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - of the module
        parts: dict[str, dict[str, Any]] = json.load(answer)
    for name, part in parts.items():
        # A part that no host runs has no status.
        if part["status"] is not None:
            yield Finding(name, part["status"], well=part["status"] == "healthy")


def database(settings: dict[str, Any]) -> Iterator[Finding]:
    """Say what Airflow's record has of tasks that wait, and of the last day that is done."""
    import MySQLdb  # type: ignore[import-untyped] # noqa: PLC0415 - not on a host of workers

    client = dict(settings["client"])
    # As MySQLdb calls them.
    if socket_file := client.pop("socket", None):
        client["unix_socket"] = socket_file
    if file := client.pop("password_file", None):
        client["password"] = Path(os.path.expandvars(file)).read_text().rstrip("\n")
    with closing(
        MySQLdb.connect(database=settings["database"], connect_timeout=TIMEOUT_SECONDS, **client)
    ) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT state, COUNT(*), TIMESTAMPDIFF(SECOND, MIN(queued_dttm), UTC_TIMESTAMP()) "
            "FROM task_instance WHERE state IN %s GROUP BY state",
            (STATES,),
        )
        found = {state: (number, seconds or 0) for state, number, seconds in cursor.fetchall()}
        number, oldest = found.get("queued", (0, 0))
        waited = f", the oldest for {duration(oldest)}" if oldest else ""
        figures = [Figure("tasks", found.get(state, (0, 0))[0], {"state": state}) for state in STATES]
        yield Finding(
            "queued tasks",
            f"{number}{waited}",
            well=oldest < LONGEST_QUEUED_SECONDS,
            figures=(*figures, Figure("oldest_queued_task_seconds", oldest)),
        )
        for dag in settings["dags"]:
            cursor.execute(
                "SELECT MAX(IF(state = 'success', logical_date, NULL)), MIN(logical_date) "
                "FROM dag_run WHERE dag_id = %s",
                (dag,),
            )
            ((last, first),) = cursor.fetchall()
            yield day_finding(dag, last and last.date(), first and first.date(), datetime.now(UTC))


def day_finding(dag: str, last: date | None, first: date | None, now: datetime) -> Finding:
    """Say how far a daily DAG is, and how late.

    Args:
        dag: its name.
        last: the last day that is done.
        first: the first day that has a run.
        now: the time.

    Returns:
        What was found. Its lateness is the time since the end of the first day that isn't done: 0 until
        that day is over. Without any run it has none.
    """
    waiting = last + timedelta(days=1) if last else first
    figures: tuple[Figure, ...] = ()
    if waiting:
        end = datetime.combine(waiting + timedelta(days=1), time_of_day(), UTC)
        late = max(0.0, (now - end).total_seconds())
        figures = (Figure("day_lateness_seconds", late, {"dag_id": dag}),)
    if last is None:
        return Finding(dag, "no day is done yet", figures=figures)
    # Today is never over.
    behind = (now.date() - last).days - 1
    return Finding(dag, f"the last day that is done is {last}, {behind} days behind", figures=figures)


def workers(settings: dict[str, Any]) -> Iterator[Finding]:
    """Say which workers take tasks, of this host and of others, and how many wait in each queue."""
    from celery import Celery  # noqa: PLC0415 - it takes half a second

    expected = {
        f"celery@{socket.gethostname()}-{worker['name']}": set(worker["queues"])
        for worker in settings["workers"]
    } | {f"celery@{name}": set[str]() for name in settings["workers_elsewhere"]}
    with Celery(broker=broker_url(settings)) as app:
        answers = app.control.inspect(timeout=ANSWER_SECONDS).active_queues() or {}
        taken = {name: {queue["name"] for queue in queues} for name, queues in answers.items()}
        with app.connection_for_read() as broker:
            channel: Any = broker.default_channel
            lengths = {
                queue: int(channel.client.llen(queue))
                for queue in set().union(*taken.values(), *expected.values())
            }
    for name in sorted({*taken, *expected}):
        queues = taken.get(name, set())
        said = f"takes tasks of {', '.join(sorted(queues)) or 'no queue'}" if name in taken else "no answer"
        well = bool(queues) and expected.get(name, queues) <= queues
        yield Finding(name.removeprefix("celery@"), said, well=well)
    for queue, length in sorted(lengths.items()):
        figure = Figure("queue_length", length, {"queue": queue})
        yield Finding(f"queue {queue}", f"{length} tasks wait for a worker", figures=(figure,))


def broker_url(settings: dict[str, Any]) -> str:
    """Return the address of Redis, which a credential may be part of."""
    command = os.environ.get("AIRFLOW__CELERY__BROKER_URL_CMD")
    if command is None:
        return str(settings["broker"])
    return subprocess.run(shlex.split(command), check=True, capture_output=True, text=True).stdout  # noqa: S603


def disks(settings: dict[str, Any]) -> Iterator[Finding]:
    """Say how much room there is where something grows."""
    seen = set()
    for folder in filter(Path.exists, map(Path, settings["folders"])):
        device = folder.stat().st_dev
        if device not in seen:
            seen.add(device)
            usage = shutil.disk_usage(folder)
            said = f"{usage.free / 2**30:.1f} GiB free, {usage.free / usage.total:.0%}"
            well = usage.free > min(LEAST_FREE_BYTES, usage.total * LEAST_FREE)
            figure = Figure("disk_free_bytes", usage.free, {"folder": str(folder)})
            yield Finding(f"disk of {folder}", said, well=well, figures=(figure,))


def certificate(settings: dict[str, Any]) -> Iterator[Finding]:
    """Say for how long the page's certificate is good."""
    from cryptography import x509  # noqa: PLC0415

    name = settings["certificate"]
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("localhost", 443), TIMEOUT_SECONDS) as connection,
        context.wrap_socket(connection, server_hostname=name) as wrapped,
    ):
        found = x509.load_der_x509_certificate(wrapped.getpeercert(binary_form=True) or b"")
    left = (found.not_valid_after_utc - datetime.now(UTC)).total_seconds()
    well = left > LEAST_CERTIFICATE_DAYS * 86400
    figure = Figure("certificate_left_seconds", left, {"name": name})
    yield Finding(f"certificate of {name}", f"good for {duration(left)}", well=well, figures=(figure,))


def timers(settings: dict[str, Any]) -> Iterator[Finding]:
    """Say when backups and the like were made last."""
    shown = show(settings["timers"], "ActiveState", "LastTriggerUSec")
    for name, found in zip(settings["timers"], shown, strict=True):
        last = found["LastTriggerUSec"] or "not yet"
        yield Finding(name, f"last at {last}", well=found["ActiveState"] == "active")


# What is looked at, and the setting without which it isn't.
LOOKS: dict[str, tuple[Callable[[dict[str, Any]], Iterator[Finding]], str]] = {
    "units": (units, "units"),
    "the web server": (page, "page"),
    "MySQL": (database, "client"),
    "Redis": (workers, "broker"),
    "disks": (disks, "folders"),
    "certificate": (certificate, "certificate"),
    "timers": (timers, "timers"),
}


def findings(settings: dict[str, Any]) -> Iterator[Finding]:
    """Look at everything.

    Args:
        settings: what there is on this host.

    Yields:
        What was found, and of what can't be asked, why.
    """
    for name, (look, setting) in LOOKS.items():
        if settings[setting] is not None:
            try:
                yield from look(settings)
            except Exception as error:  # noqa: BLE001 - whatever it is, it isn't well
                yield Finding(name, f"no answer: {error}", well=False)


def main(settings: dict[str, Any], words: list[str]) -> int:
    """Look, and say what was found."""
    parser = argparse.ArgumentParser(prog="airflow-health", description="Says how everything of Airflow is.")
    parser.add_argument("--json", action="store_true", help="as JSON")
    arguments = parser.parse_args(words)
    found = list(findings(settings))
    if arguments.json:
        print(json.dumps([asdict(one) for one in found]))
    else:
        width = max(len(one.name) for one in found)
        for one in found:
            print(f"{'ok  ' if one.well else 'BAD '} {one.name:{width}}  {one.said}")
    return 0 if all(one.well for one in found) else 1


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text()), sys.argv[2:]))
