import runpy
from typing import Any

import pytest

from tests.module.nix import PROJECT

HOOK = PROJECT / "modules/airflow/airflow_task_journal.py"
base_executor = pytest.importorskip("airflow.executors.base_executor", reason="there is no Airflow to log")


def test_a_workers_tasks_are_told_to_log_to_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool] = []

    def run_workload(workload: str, *, subprocess_logs_to_stdout: bool = False) -> int:
        told.append(subprocess_logs_to_stdout)
        return 0

    monkeypatch.setattr(base_executor.BaseExecutor, "run_workload", staticmethod(run_workload))
    runpy.run_path(str(HOOK))
    run: Any = base_executor.BaseExecutor.run_workload
    run("a task")
    run("another", subprocess_logs_to_stdout=False)
    assert told == [True, False]


def test_airflow_still_has_what_the_hook_asks_for() -> None:
    original = base_executor.BaseExecutor.run_workload
    try:
        runpy.run_path(str(HOOK))
        assert base_executor.BaseExecutor.run_workload is not original
    finally:
        base_executor.BaseExecutor.run_workload = staticmethod(original)
