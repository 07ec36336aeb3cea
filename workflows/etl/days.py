"""A run and the day that it is for."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol

from airflow.timetables.interval import CronDataIntervalTimetable

from etl.errors import ConfigError

DAILY = ("0 0 * * *", "@daily")


class DagRun(Protocol):
    """The part of Airflow's run that says which day it is for."""

    logical_date: datetime | None
    run_after: datetime


def daily(schedule: str) -> CronDataIntervalTimetable:
    """Return the timetable of days, each from midnight to midnight in UTC.

    Args:
        schedule: ``0 0 * * *`` or ``@daily``.

    Raises:
        ConfigError: it is another one. Objects, loads and statistics are a day's, so a run can be for
            nothing shorter or longer.
    """
    if " ".join(schedule.split()) not in DAILY:
        raise ConfigError(
            f"the schedule {schedule!r} is not daily: a run is for one day, midnight to midnight in UTC, "
            f"so it must be {' or '.join(repr(text) for text in DAILY)}"
        )
    return CronDataIntervalTimetable("0 0 * * *", "UTC")


def midnight(day: date) -> datetime:
    """Return the moment at which a day begins, which is the logical date of its run."""
    return datetime.combine(day, time(), UTC)


def is_of_one_day(dag_run: DagRun) -> bool:
    """Return whether a run is that of a day: its logical date is the day's midnight.

    Airflow has one run for a logical date, so a day has one run; any other is a request for a day.
    """
    moment = dag_run.logical_date
    return moment is not None and moment.astimezone(UTC).time() == time()


def run_date(dag_run: DagRun) -> date:
    """Return the UTC day that a run is for.

    Args:
        dag_run: the run of a day, or one started by hand. Without a logical date it is for the last day
            that was over when it was started.
    """
    return (dag_run.logical_date or midnight(last_complete_day(dag_run))).astimezone(UTC).date()


def note(day: date) -> str:
    """Return what the page says of the run of a day.

    Args:
        day: the day.
    """
    return f"The day {day}"


def last_complete_day(dag_run: DagRun) -> date:
    """Return the last day that was over when a run was started."""
    return (dag_run.run_after.astimezone(UTC) - timedelta(days=1)).date()


def job_payload(dag_run: DagRun, params: Mapping[str, Any]) -> str:
    """Return what a Lambda function is told, as JSON.

    Args:
        dag_run: the run.
        params: the run's parameters.
    """
    payload: dict[str, Any] = {"runDate": run_date(dag_run).isoformat()}
    return json.dumps(payload | ({"allowEmpty": True} if params["allow_empty"] else {}))
