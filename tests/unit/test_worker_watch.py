"""When a worker is restarted that takes no tasks."""

import os
import signal
import subprocess
import sys
import time
from types import ModuleType
from typing import Any

import psutil
import pytest

from tests.unit.programs import program

pytest.importorskip("kombu")

PROCESS = 4711


@pytest.fixture
def watch() -> ModuleType:
    return program("worker_watch")


class Host:
    """A worker, its queue, and what was done to it."""

    def __init__(self, watch: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.queue: list[bytes] = []
        self.room = True
        self.process: int | None = PROCESS
        self.ended: list[tuple[int, int]] = []
        self.watch = watch.Watch("airflow-worker.service", "celery@here-default", ["default"])
        monkeypatch.setattr(watch, "oldest", lambda *_: set(self.queue[:1]))
        monkeypatch.setattr(watch, "has_room", lambda *_: self.room)
        monkeypatch.setattr(watch, "main_process", lambda _: self.process)
        self.tasks = False
        monkeypatch.setattr(watch, "runs_tasks", lambda _: self.tasks)
        monkeypatch.setattr(os, "kill", lambda *what: self.ended.append(what))

    def look(self, *queue: bytes) -> list[tuple[int, int]]:
        broker: Any = None
        self.queue = list(queue)
        self.watch.look(broker)
        return self.ended


@pytest.fixture
def host(watch: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(watch, monkeypatch)


def test_a_worker_that_lets_a_task_wait_is_ended_once(host: Host) -> None:
    assert host.look(b"a") == []
    assert host.look(b"a") == [(PROCESS, signal.SIGTERM)]
    # It is given the time to come back.
    assert len(host.look(b"a")) == 1


def test_a_worker_that_was_ended_and_does_not_end_is_killed_when_it_runs_no_task(host: Host) -> None:
    host.tasks = True
    for _ in range(6):
        host.look(b"a")
    assert host.ended == [(PROCESS, signal.SIGTERM)]
    host.tasks = False
    for _ in range(2):
        host.look(b"a")
    assert host.ended[1:] == [(PROCESS, signal.SIGKILL)]
    # The next one has not been asked.
    host.process = PROCESS + 1
    for _ in range(2):
        host.look(b"a")
    assert host.ended[2:] == [(PROCESS + 1, signal.SIGTERM)]


@pytest.mark.parametrize(
    ("child", "processes", "runs"),
    [
        # A pool's process that waits, one that runs a task, and Python's own helper with a process.
        ("time.sleep(60)", 1, False),
        ("subprocess.run(['sleep', '60'])", 2, True),
        ("subprocess.run(['sleep', '60']) # multiprocessing.forkserver", 2, False),
    ],
)
def test_tasks_are_processes_of_the_pool_s_processes(
    watch: ModuleType,
    child: str,
    processes: int,
    runs: bool,  # noqa: FBT001
) -> None:
    code = f"import subprocess, time; {child}"
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    with subprocess.Popen([sys.executable, "-c", parent, code], start_new_session=True) as process:
        try:
            deadline = time.monotonic() + 20
            own = psutil.Process(process.pid)
            while len(own.children(recursive=True)) < processes:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert watch.runs_tasks(process.pid) == runs
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_a_worker_that_takes_tasks_is_left_alone(host: Host) -> None:
    for queue in ([b"a", b"b"], [b"b", b"c"], [], [b"c"], []):
        assert host.look(*queue) == []


def test_a_worker_without_room_is_left_alone(host: Host) -> None:
    host.room = False
    for _ in range(3):
        assert host.look(b"a") == []


def test_a_worker_that_starts_or_ends_is_left_alone(host: Host) -> None:
    host.process = None
    for _ in range(3):
        assert host.look(b"a") == []
