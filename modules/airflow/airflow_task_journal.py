# A module of a unit, and not part of a package.
# ruff: noqa: INP001
"""Has a Celery worker write the logs of tasks to its journal, besides their files.

Celery imports it when the worker starts. Airflow's LocalExecutor asks for the same; its
CeleryExecutor has no setting for it.
"""

from functools import wraps
from inspect import signature
from typing import Any

from airflow.executors.base_executor import BaseExecutor

run_workload = BaseExecutor.run_workload


@wraps(run_workload)
def run_workload_with_journal(*args: Any, **options: Any) -> int:
    """Run a task, its log going to the worker's output too."""
    options.setdefault("subprocess_logs_to_stdout", True)
    return run_workload(*args, **options)


if "subprocess_logs_to_stdout" in signature(run_workload).parameters:
    BaseExecutor.run_workload = staticmethod(run_workload_with_journal)  # type: ignore[method-assign]
