"""When a worker is restarted that takes no tasks."""

import os
import signal
from types import ModuleType
from typing import Any

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
