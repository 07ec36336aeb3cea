"""What airflow-drain answers without a worker to drain."""

import os
from types import ModuleType

import pytest

from tests.unit.programs import program

UNITS = {"default": "airflow-worker.service", "large": "airflow-worker-large.service"}


@pytest.fixture
def drain() -> ModuleType:
    return program("drain")


def test_a_worker_of_no_such_name_is_refused(drain: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        drain.main(UNITS, ["larg"])
    assert raised.value.code == 2
    assert "this host has no worker larg; it has default, large" in capsys.readouterr().err


def test_only_root_stops_workers(
    drain: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert drain.main(UNITS, []) == 1
    assert "become root" in capsys.readouterr().err


def test_tasks_that_were_ended_are_told_of(
    drain: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = {"ActiveState": "failed", "Result": "timeout"}
    monkeypatch.setattr(drain, "show", lambda _, name: ended[name])
    monkeypatch.setattr(drain.subprocess, "run", lambda *_, **__: None)
    assert not drain.drain(UNITS)
    assert "default did not finish in its drainTimeout" in capsys.readouterr().err
