"""`make run`: what it prints and returns, and that nothing of it is left behind, however it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest
from embedded import leash
from embedded.errors import EmbeddedError
from embedded.pipeline import Pipeline
from embedded.processes import Processes
from embedded.settings import DAGS
from embedded.state import State

from tests.integration.airflow_fixtures import until

# A child that ignores every polite request, and a grandchild in a session of its own.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["sleep", "600"], start_new_session=True)
if os.fork() == 0 and os.fork() == 0:
    os.setsid()
time.sleep(600)
"""
Embedded = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Embedded]:
    """Start the command behind `make run`, with a state folder of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "embedded", *arguments, "--state", str(tmp_path / "state")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(DAGS.parent)},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def family(process: "subprocess.Popen[str]", *words: str) -> list[psutil.Process]:
    """Wait until a part with these words in its command is up; return all parts, that one last."""

    def found() -> list[psutil.Process]:
        assert process.poll() is None, process.communicate()
        processes = psutil.Process(process.pid).children(recursive=True)
        wanted = [part for part in processes if is_running(part, words)]
        return [part for part in processes if part not in wanted] + wanted if wanted else []

    return until(found, f"{' '.join(words)} to be up", seconds=60, every=0.05)


def is_running(part: psutil.Process, words: Sequence[str]) -> bool:
    try:
        command = part.cmdline()
    except psutil.NoSuchProcess:
        return False
    return set(words) <= set(command) and str(leash.__file__) not in command


def all_gone(processes: list[psutil.Process]) -> bool:
    # Where the machine's first process reaps nobody, the dead stay listed.
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def test_a_run_succeeds_and_tells_what_it_did(embedded: Embedded) -> None:
    process = embedded("run", "--days", "1", "--json")
    output, notes = process.communicate(timeout=120)
    assert process.returncode == 0, notes
    result = json.loads(output)
    (day,) = result["days"]
    assert day["lines"] == sum(day["rows"].values()) + day["duplicates"]
    assert result["statistics_day"] == day["run_date"] == "2016-02-22"
    assert Path(result["warehouse"].removeprefix("sqlite:///")).is_file()
    assert "1 of 1 days done" in notes


def test_dev_stays_up_says_where_and_ends_by_ctrl_c_without_an_error(embedded: Embedded) -> None:
    with socket.socket() as taken:
        # Somebody else may have it already, which is as good.
        with suppress(OSError):
            taken.bind(("127.0.0.1", 8080))
            taken.listen()
        process = embedded("dev", "--days", "1")
        assert process.stderr is not None
        notes = ""
        while "Ctrl-C ends it all" not in notes:
            line = process.stderr.readline()
            assert line, notes
            notes += line
    assert "waiting for its web server" in notes
    assert "Port 8080 is taken by another program" in notes
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "What was loaded" in output


@pytest.mark.parametrize(
    ("number", "part"),
    [(signal.SIGINT, "scheduler"), (signal.SIGTERM, "migrate"), (signal.SIGHUP, "sample-data")],
)
def test_a_run_that_is_stopped_leaves_no_process(
    embedded: Embedded, number: signal.Signals, part: str
) -> None:
    process = embedded("run", "--days", "50")
    processes = family(process, part)
    process.send_signal(number)
    _output, notes = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert notes.endswith("stopped; nothing is left running\n")
    assert all_gone(processes)


def test_a_run_whose_part_dies_tells_which_and_leaves_no_process(embedded: Embedded) -> None:
    process = embedded("run", "--days", "50")
    processes = family(process, "scheduler")
    processes[-1].kill()
    _output, notes = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "scheduler ended unexpectedly (exit code 137); the end of its log:" in notes
    assert all_gone(processes)


def test_a_run_that_is_killed_leaves_no_process(embedded: Embedded) -> None:
    process = embedded("run", "--days", "50")
    processes = family(process, "db", "migrate")
    process.kill()
    until(lambda: all_gone(processes), "its processes to end", seconds=20)


@pytest.mark.parametrize("days", ["abc", "0", "367", "1" * 5000, ""])
def test_a_wrong_number_of_days_is_one_line(embedded: Embedded, days: str) -> None:
    process = embedded("run", f"--days={days}")
    output, notes = process.communicate(timeout=20)
    assert process.returncode == 2
    assert output == ""
    assert notes == f"make run: DAYS={days} is not a whole number from 1 to 366\n"


def test_a_second_run_in_the_same_place_is_refused_and_harms_nothing(
    embedded: Embedded, tmp_path: Path
) -> None:
    first = embedded("run", "--days", "50")
    until((tmp_path / "state" / "logs").is_dir, "the first run to begin")
    second = embedded("run", "--days", "1")
    _output, notes = second.communicate(timeout=20)
    assert second.returncode == 2
    assert f"(process {first.pid})" in notes
    assert first.poll() is None
    assert (tmp_path / "state" / "logs").is_dir()


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path, os.environ) as processes:
        yield processes


def descendants() -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process().children(recursive=True)
    return found


def test_stopping_ends_processes_that_ignore_signals_or_went_away(parts: Processes) -> None:
    parts.start("stubborn", [sys.executable, "-c", STUBBORN])
    until(lambda: len(descendants()) == 5, "all five processes", seconds=20)
    processes = descendants()
    parts.stop()
    assert all_gone(processes)


def test_a_process_that_ends_by_itself_takes_its_own_along_and_is_told_of(parts: Processes) -> None:
    parts.start("short", ["sh", "-c", "setsid sleep 600 & echo out of ideas; exit 3"])

    def told() -> str:
        try:
            parts.check()
        except EmbeddedError as error:
            return str(error)
        return ""

    assert until(told, "the end of it", seconds=20) == (
        "short ended unexpectedly (exit code 3); the end of its log:\n  out of ideas"
    )
    parts.stop()
    assert not descendants()


def test_what_a_command_has_against_it_is_told_in_words(tmp_path: Path) -> None:
    nowhere = os.environ | {"ETL_WAREHOUSE_URL": "nowhere"}
    pipeline = Pipeline(State(tmp_path), nowhere, processes=Mock(), api=Mock(), password="")
    with pytest.raises(EmbeddedError, match=r"^etl migrate failed: ETL_WAREHOUSE_URL does not hold the URL"):
        pipeline.etl("migrate")
