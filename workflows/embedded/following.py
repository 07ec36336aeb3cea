"""Follows Airflow through the days of a run, from its own record."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from embedded.airflow_api import TASKS, AirflowApi, Run
from embedded.errors import EmbeddedError
from embedded.pipeline import Pipeline

POLL_SECONDS = 0.5
DAG_SECONDS = 90


@dataclass(frozen=True)
class Position:
    """How far a run has come."""

    day: date
    task_id: str
    days_done: int
    tasks_done: int


def follow(pipeline: Pipeline, days: int, on_move: Callable[[Position], None]) -> None:
    """Wait until so many days have succeeded.

    Args:
        pipeline: a pipeline that is up.
        days: how many.
        on_move: called whenever there is progress.

    Raises:
        EmbeddedError: a day failed for good, the DAG can't be read, or a process ended.
    """
    pipeline.processes.check()
    _wait_for_the_dag(pipeline)
    last: Position | None = None
    while last is None or last.days_done < days:
        pipeline.processes.check()
        position = _position(pipeline.api, last)
        if position and position != last:
            on_move(position)
            last = position
        else:
            time.sleep(POLL_SECONDS)


def _wait_for_the_dag(pipeline: Pipeline) -> None:
    deadline = time.monotonic() + DAG_SECONDS
    while not pipeline.api.knows_the_dag():
        pipeline.processes.check()
        if errors := pipeline.api.import_errors():
            raise EmbeddedError(f"the DAG can't be read: {errors[0].strip().splitlines()[-1]}")
        if time.monotonic() > deadline:
            raise EmbeddedError(f"Airflow did not read the DAG within {DAG_SECONDS} s")
        time.sleep(POLL_SECONDS)


def _position(api: AirflowApi, last: Position | None) -> Position | None:
    run = api.current_run()
    if run is None:
        return None
    if run.state == "failed":
        raise EmbeddedError(_why_it_failed(api, run))
    tasks_done = sum(task.state == "success" for task in api.tasks(run))
    task_id = TASKS[min(tasks_done, len(TASKS) - 1)]
    if run.state == "success":
        days_done = api.succeeded()
        return Position(run.day, task_id, days_done, days_done * len(TASKS))
    # Within a day the number can't change, and asking takes the web server's time from the tasks.
    days_done = last.days_done if last and last.day == run.day else api.succeeded()
    return Position(run.day, task_id, days_done, days_done * len(TASKS) + tasks_done)


def _why_it_failed(api: AirflowApi, run: Run) -> str:
    failed = [task for task in api.tasks(run) if task.state == "failed"]
    reasons = [
        f"{run.day} failed in {task.task_id}, after {task.try_number} tries:\n"
        + "\n".join(f"  {line}" for error in api.errors(run, task) for line in error.splitlines())
        for task in failed
    ]
    return "\n".join(reasons) or f"{run.day} failed, and Airflow does not say in which task"
