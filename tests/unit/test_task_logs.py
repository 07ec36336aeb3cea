"""Which log files are deleted when all of them take too much."""

import os
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.programs import program

MIB = 2**20


@pytest.fixture
def task_logs() -> ModuleType:
    return program("task_logs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of ten logs of a MiB each; the first is the oldest."""
    for number in range(10):
        log = tmp_path / f"dag_id=d/run_id={number}/attempt=1.log"
        log.parent.mkdir(parents=True)
        log.write_bytes(os.urandom(MIB))
        os.utime(log, (number, number))
    (tmp_path / "latest").symlink_to("dag_id=d/run_id=9/attempt=1.log")
    return tmp_path


def left(folder: Path) -> list[int]:
    return sorted(int(log.parent.name.removeprefix("run_id=")) for log in folder.rglob("attempt=*.log"))


def test_the_oldest_go_until_the_rest_fits(
    task_logs: ModuleType, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task_logs.main(folder, "4M")
    assert left(folder) == [6, 7, 8, 9]
    assert "deleted the 6 oldest files, 6 MiB, to keep 4M" in capsys.readouterr().out
    assert (folder / "latest").is_symlink()


def test_nothing_is_deleted_or_said_where_all_fits(
    task_logs: ModuleType, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task_logs.main(folder, "1G")
    assert left(folder) == list(range(10))
    assert capsys.readouterr().out == ""
