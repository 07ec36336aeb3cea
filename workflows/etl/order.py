"""The order of days: what Airflow's record says of them, and who goes next.

A day's jobs start when those of the day before have succeeded. No run holds a place among the active ones
by waiting for a run that needs one: it gives its place back, by failing, and is started again when its turn
comes.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any, Self, cast

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import GetPreviousTI, PreviousTIResult, TriggerDagRun
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from etl.config import day_after
from etl.days import midnight, note, run_date

SENSOR, LOAD, STATISTICS = TASKS = ("s3_sensor", "etl_load_events", "etl_organization_stats")
# By these a task, and its day with it, goes on without anybody's doing.
MOVING = {"scheduled", "queued", "running", "restarting", "up_for_retry", "up_for_reschedule"}
ACTIVE = ["queued", "running"]
GAVE_BACK = "gave_its_place_back"
NO_RUN = ""
LOOK_AGAIN = timedelta(seconds=5)
# As many logical dates as fit into one question.
DATES_AT_ONCE = 100

logger = logging.getLogger(__name__)


class PlaceGivenBackError(AirflowFailException):
    """The run ends, to be started again when the day before is done; nobody needs to hear of it."""


class Progress(Enum):
    """How far a day is."""

    DONE = "is done"
    MOVING = "is being done"
    WAITING = "waits"
    FAILED = "failed"
    MISSING = "has no run yet"


@dataclass(frozen=True)
class Day:
    """A day as Airflow's record has it."""

    day: date
    run_id: str | None
    states: Mapping[str, str | None]

    @classmethod
    def nothing(cls, day: date) -> Self:
        """Return a day that nobody has to wait for.

        Args:
            day: the day.
        """
        return cls(day, NO_RUN, dict.fromkeys(TASKS, "success"))

    @property
    def is_nothing(self) -> bool:
        """Whether nobody has to wait for it, since it is before all others."""
        return self.run_id == NO_RUN

    @property
    def progress(self) -> Progress:
        """How far the day is: done when both jobs have succeeded."""
        if self.run_id is None:
            return Progress.MISSING
        sensor, *jobs = (self.states.get(task) for task in TASKS)
        if set(jobs) == {"success"}:
            return Progress.DONE
        if MOVING.intersection(self.states.values()) or (sensor == "success" and None in jobs):
            return Progress.MOVING
        failed = {"failed", "upstream_failed", "skipped"}.intersection(self.states.values())
        return Progress.FAILED if failed else Progress.WAITING


def look_at(dag_id: str, day: date) -> Day:
    """Return a day as Airflow's record has it now.

    Args:
        dag_id: the DAG.
        day: the day.
    """
    found = RuntimeTaskInstance.get_task_states(dag_id=dag_id, logical_dates=[midnight(day)])
    run_id = next(iter(found), None)
    return Day(day, run_id, found[run_id] if run_id else {})


def day_before(dag_id: str, day: date, first_day: date) -> Day:
    """Return the day that one has to wait for; before the first one, there is none to wait for.

    Args:
        dag_id: the DAG.
        day: the day that waits.
        first_day: the first day to load.
    """
    before = day - timedelta(days=1)
    return look_at(dag_id, before) if day > first_day else Day.nothing(before)


def day_before_on_record(dag_id: str, day: date, first_day: date) -> Day:
    """Return the day that one has to wait for; none, too, if a clean-up left no older record than its own.

    Only a task can ask, not a trigger.

    Args:
        dag_id: the DAG.
        day: the day that waits.
        first_day: the first day that the DAG loads.
    """
    before = day_before(dag_id, day, first_day)
    if before.progress is Progress.MISSING and _is_oldest_on_record(dag_id, day):
        return Day.nothing(before.day)
    return before


def _is_oldest_on_record(dag_id: str, day: date) -> bool:
    following = RuntimeTaskInstance.get_dag(dag_id).next_dagrun
    if following is None or following <= midnight(day):
        return False
    earlier = GetPreviousTI(dag_id=dag_id, task_id=SENSOR, logical_date=midnight(day), map_index=-1)
    answer = task_runner.SUPERVISOR_COMMS.send(earlier)
    return cast("PreviousTIResult", answer).task_instance is None


def is_active(dag_id: str, day: date) -> bool:
    """Return whether a day's run is queued or running."""
    return RuntimeTaskInstance.get_dr_count(dag_id=dag_id, logical_dates=[midnight(day)], states=ACTIVE) > 0


def is_in_the_way(dag_id: str, day: date, now: datetime) -> bool:
    """Return whether the run of a day that waits should give its place back.

    It should when a run of an earlier day, or one started by hand, is in the queue; of adjacent days that
    wait, the last one does.

    Args:
        dag_id: the DAG.
        day: the day that waits.
        now: the time.
    """
    count = RuntimeTaskInstance.get_dr_count
    queued = count(dag_id=dag_id, states=["queued"])
    if not queued or count(dag_id=dag_id, logical_dates=[midnight(day_after(day))], states=["running"]):
        return False
    later = (now.astimezone(UTC).date() - day).days
    for start in range(1, later + 1, DATES_AT_ONCE):
        dates = [
            midnight(day + timedelta(days=number))
            for number in range(start, min(start + DATES_AT_ONCE, later + 1))
        ]
        queued -= count(dag_id=dag_id, logical_dates=dates, states=["queued"])
        if not queued:
            return False
    return True


def give_place_back(context: Context, before: Day) -> None:
    """End a run, so that another one gets its place.

    Args:
        context: the context of the task that finds it has to wait.
        before: the day that it waits for.

    Raises:
        PlaceGivenBackError: always.
    """
    context["ti"].xcom_push(key=GAVE_BACK, value=True)
    day = run_date(context["dag_run"])
    raise PlaceGivenBackError(
        f"{day} can't go on: {before.day} {before.progress.value}. This run gives its place to others, "
        f"and starts again by itself when {before.day} is done"
    )


def keep_order(context: Context, first_day: date) -> None:
    """Let a job start only when the day before is done.

    Args:
        context: the job's context.
        first_day: the first day that the DAG loads.

    Raises:
        AirflowRescheduleException: the day before is being done.
        PlaceGivenBackError: it is not, and nobody knows when it will be.
    """
    dag_id, day = context["dag"].dag_id, run_date(context["dag_run"])
    before = day_before_on_record(dag_id, day, first_day)
    if before.progress is Progress.MOVING:
        logger.info("%s is being done; this job starts after it", before.day)
        raise AirflowRescheduleException(datetime.now(UTC) + LOOK_AGAIN)  # type: ignore[no-untyped-call]
    if before.progress is not Progress.DONE:
        give_place_back(context, before)


def wake_next_day(context: Context) -> None:
    """Start the next day's run again if it has given its place back; or else the last one's.

    Args:
        context: the context of the day's last task.
    """
    found = wake(context, day_after(run_date(context["dag_run"])))
    if found.progress in {Progress.DONE, Progress.FAILED}:
        wake_last_day(context)


def wake_last_day(context: Context) -> None:
    """Start the newest run again if it has given its place back.

    As long as it holds a place, Airflow makes no runs of later days, which would all have to wait.

    Args:
        context: the context of a task of the run that took the place, and needs it no more.
    """
    following = RuntimeTaskInstance.get_dag(context["dag"].dag_id).next_dagrun
    if following:
        wake(context, following.astimezone(UTC).date() - timedelta(days=1))


def wake(context: Context, day: date) -> Day:
    """Start a day's run again if it has given its place back.

    Args:
        context: the context of the task that asks.
        day: the day.

    Returns:
        The day as it was before.
    """
    dag_id = context["dag"].dag_id
    found = look_at(dag_id, day)
    failed = [task for task, state in found.states.items() if state == "failed"]
    if failed and any(
        context["ti"].xcom_pull(dag_id=dag_id, run_id=found.run_id, task_ids=task, key=GAVE_BACK)
        for task in failed
    ):
        logger.info("Starting the run of %s again, which gave its place back", day)
        start(dag_id, day, found.run_id)
    return found


def start(dag_id: str, day: date, run_id: str | None, **conf: Any) -> str:
    """Start the run of a day, or start it again from its beginning.

    Args:
        dag_id: the DAG.
        day: the day.
        run_id: the run if there is one.
        **conf: the parameters of a new run.

    Returns:
        The run's id.
    """
    run_id = run_id or f"manual__{day}"
    # What TriggerDagRunOperator sends; the operator would wait, or end its task.
    task_runner.SUPERVISOR_COMMS.send(
        TriggerDagRun(
            dag_id=dag_id,
            run_id=run_id,
            logical_date=midnight(day),
            run_after=midnight(day_after(day)),
            conf=conf,
            reset_dag_run=True,
            note=note(day),
        )
    )
    return run_id
