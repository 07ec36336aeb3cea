"""What the task of the DAG `reload_days` does: days that were asked for, or whose objects changed."""

import logging
from collections.abc import Mapping
from datetime import date
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from etl.config import parse_run_date, s3_location, warehouse_url
from etl.errors import ConfigError
from etl.mails import Mails
from etl.reload import LateDay, late_days, reload

logger = logging.getLogger(__name__)


def reload_days(context: Context, mails: Mails) -> dict[str, Any]:
    """Load days again, and compute the statistics that they touch.

    Args:
        context: the task's context. With the parameters ``from`` and ``to`` it is for these days, without
            them for the days whose objects are not those that were loaded.
        mails: who hears of late objects.

    Returns:
        What was loaded and computed, and of which days the objects had changed.

    Raises:
        AirflowFailException: the parameters are no range of days.
        AirflowSkipException: no objects came late, so there is nothing to do.
        EtlError: S3 or the warehouse fails, or a day can't be loaded.
    """
    source, url = s3_location(), warehouse_url()
    late: list[LateDay] = []
    days = _asked_for(context["params"])
    if days is None:
        late = late_days(source, url)
        if not late:
            raise AirflowSkipException("No objects have come, changed or gone since their days were loaded")
        for day in late:
            logger.warning("%s has other objects than were loaded: %s", day.run_date, _differences(day))
        days = late[0].run_date, late[-1].run_date
    # A day that has lost all its objects is an error: somebody has to say that its rows should go, too.
    report = reload(*days, source, url, on_progress=_tell)
    if late:
        mails.came_late(context, [(day.run_date, _differences(day)) for day in late])
    return report.as_dict() | {"late": [day.as_dict() for day in late]}


def _asked_for(params: Mapping[str, Any]) -> tuple[date, date] | None:
    first, last = params["from"], params["to"]
    if not first and not last:
        return None
    try:
        days = parse_run_date(first or last), parse_run_date(last or first)
    except ConfigError as error:
        raise AirflowFailException(str(error)) from None
    if days[1] < days[0]:
        raise AirflowFailException(f"to {days[1]} is before from {days[0]}")
    return days


def _differences(day: LateDay) -> str:
    return f"{len(day.added)} new, {len(day.changed)} changed, {len(day.removed)} gone"


def _tell(job: str, day: date, done: int, steps: int) -> None:
    logger.info("%s %s (%s of %s)", job, day, done + 1, steps)
