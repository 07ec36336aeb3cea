"""Runs that are started by hand for a day: they start that day's own run, or say why not."""

from datetime import UTC, date, datetime

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from etl import order
from etl.config import parse_run_date
from etl.days import last_complete_day
from etl.errors import ConfigError
from etl.order import Progress


class RefusedError(AirflowFailException):
    """What was asked for would break the order of days, or is no day to load."""


def answer(context: Context, first_day: date) -> None:
    """Start the run of the day that was asked for, in place of the run that asks.

    Args:
        context: the context of the first task of a run that was started by hand.
        first_day: the first day that the DAG loads.

    Raises:
        RefusedError: the day can't be loaded now; the message says why.
        AirflowSkipException: its run was started; nothing is left to do for this one.
    """
    dag_id = context["dag"].dag_id
    day = requested_day(context)
    check_is_to_load(day, first_day)
    if order.is_active(dag_id, day):
        raise RefusedError(f"{day} can't be loaded twice at once: its run is active already")
    before = order.day_before_on_record(dag_id, day, first_day)
    if before.progress is not Progress.DONE:
        raise RefusedError(
            f"{day} can't be loaded: the day before, {before.day}, {before.progress.value}. "
            f"Days are loaded in their order"
        )
    run_id = order.look_at(dag_id, day).run_id
    run_id = order.start(dag_id, day, run_id, allow_empty=context["params"]["allow_empty"])
    context["ti"].xcom_push(key="trigger_run_id", value=run_id)
    raise AirflowSkipException(f"The run {run_id} of {day} was started; this one only asked for it")


def check_own_day(context: Context, day: date, first_day: date) -> None:
    """Refuse the run of a day that was started by hand for what it can't do.

    Args:
        context: the context of the run's first task.
        day: the run's day.
        first_day: the first day that the DAG loads.

    Raises:
        RefusedError: the day lies before the first one, isn't over, or is not the one that is asked for.
    """
    if context["params"].get("run_date") and requested_day(context) != day:
        raise RefusedError(
            f"the run's logical date is {day} and its run_date {context['params']['run_date']}: "
            f"give one of them, or the same day twice"
        )
    check_is_to_load(day, first_day)


def check_is_to_load(day: date, first_day: date) -> None:
    """Refuse a day that lies before the first one, or isn't over.

    Args:
        day: the day.
        first_day: the first day that the DAG loads.

    Raises:
        RefusedError: it can't be loaded.
    """
    today = datetime.now(UTC).date()
    if day < first_day:
        raise RefusedError(f"{day} can't be loaded: the first day is {first_day} (ETL_START_DATE)")
    if day >= today:
        raise RefusedError(f"{day} can't be loaded: it is not over yet (today is {today} in UTC)")


def requested_day(context: Context) -> date:
    """Return the day that a run started by hand asks for.

    It is its parameter ``run_date``, or else the last complete day.

    Args:
        context: the context of one of its tasks.

    Raises:
        RefusedError: the parameter is no date.
    """
    text = context["params"].get("run_date")
    try:
        return parse_run_date(text) if text else last_complete_day(context["dag_run"])
    except ConfigError as error:
        raise RefusedError(str(error)) from None
