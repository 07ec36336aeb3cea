"""Days that are loaded again: which ones have other objects now, and which statistics they touch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from time import monotonic
from typing import Any

import sqlalchemy as sa

from etl import storage, warehouse
from etl.config import S3Location
from etl.errors import ConfigError, EtlError
from etl.load_events import LoadReport, load_events
from etl.objects import ListedObject
from etl.organization_stats import StatsReport, organization_stats
from etl.statistics import AVERAGED_WEEKS, WEEK
from etl.tables import day_load, day_object, organization_statistic

# The longest window of the statistics, in days: the month is shorter.
LONGEST_WINDOW = (WEEK * AVERAGED_WEEKS).days
DAYS_LOOKED_AT = 7


@dataclass(frozen=True)
class LateDay:
    """A day whose objects are not those that were loaded; the keys of those that differ."""

    run_date: date
    added: list[str]
    changed: list[str]
    removed: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return the day as JSON can hold it."""
        return asdict(self) | {"run_date": self.run_date.isoformat()}


@dataclass(frozen=True)
class ReloadReport:
    """What a reload loaded and computed again."""

    loads: list[LoadReport]
    statistics: list[StatsReport]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        return {
            "loads": [report.as_dict() for report in self.loads],
            "statistics": [report.as_dict() for report in self.statistics],
            "seconds": self.seconds,
        }


def days_between(first: date, last: date) -> list[date]:
    """Return the days from a first to a last one, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def touched_days(first: date, last: date, until: date) -> list[date]:
    """Return the days whose statistics windows hold one of the days that are loaded again.

    Args:
        first: the first day that is loaded again.
        last: the last one.
        until: the last day that there are statistics of; later ones aren't touched.
    """
    # Near the calendar's end there are fewer days than the window has.
    reach = min(timedelta(days=LONGEST_WINDOW - 1), date.max - last)
    return days_between(first, min(last + reach, until))


def late_days(source: S3Location, url: sa.URL, days: int = DAYS_LOOKED_AT) -> list[LateDay]:
    """Find days whose objects are no longer those that were loaded, in the order of the days.

    Args:
        source: where the days lie. Of each day its own prefix is listed once, and nothing is read.
        url: the warehouse.
        days: how many of the days that were loaded are looked at, the newest ones.

    Raises:
        EtlError: S3 or the warehouse fails.
    """
    with warehouse.transaction(url) as connection:
        newest = sa.select(day_load.c.run_date).order_by(day_load.c.run_date.desc()).limit(days)
        loaded = {day: _objects_of(connection, day) for day in reversed(connection.scalars(newest).all())}
    s3 = storage.client()
    late = (_compare(day, kept, _listed(s3, source, day)) for day, kept in loaded.items())
    return [day for day in late if day.added or day.changed or day.removed]


def _objects_of(connection: sa.Connection, day: date) -> dict[str, ListedObject]:
    query = sa.select(day_object.c.object_key, day_object.c.size, day_object.c.etag)
    rows = connection.execute(query.where(day_object.c.run_date == day))
    return {row.object_key: ListedObject(*row) for row in rows}


def _listed(s3: Any, source: S3Location, day: date) -> dict[str, ListedObject]:
    with storage.errors_named(source):
        return {listed.key: listed for listed in storage.list_objects(s3, source, day)}


def _compare(day: date, before: dict[str, ListedObject], now: dict[str, ListedObject]) -> LateDay:
    return LateDay(
        day,
        added=sorted(now.keys() - before.keys()),
        changed=sorted(key for key in now.keys() & before.keys() if now[key] != before[key]),
        removed=sorted(before.keys() - now.keys()),
    )


def reload(  # noqa: PLR0913 - a range is two days
    first: date,
    last: date,
    source: S3Location,
    url: sa.URL,
    *,
    allow_empty: bool = False,
    on_progress: Callable[[str, date, int, int], None] | None = None,
) -> ReloadReport:
    """Load days again in their order, and then the statistics of the days that they touch and that had some.

    Each day is a transaction of its own. A reload that was interrupted is run again as a whole.

    Args:
        first: the first day to load again (UTC).
        last: the last one.
        source: where the days lie.
        url: the warehouse.
        allow_empty: whether a day without objects is fine; what it had is removed then.
        on_progress: called before each step with the job, its day, the steps done and how many there are.

    Raises:
        EtlError: a day can't be loaded, or its statistics not be computed; the message names the day.
    """
    started = monotonic()
    days = days_between(first, last)
    computed = _days_with_statistics(url, first, last)
    steps = len(days) + len(computed)
    loads: list[LoadReport] = []
    statistics: list[StatsReport] = []

    def begin(job: str, day: date) -> None:
        if on_progress:
            on_progress(job, day, len(loads) + len(statistics), steps)

    for day in days:
        begin("load-events", day)
        with _day_named(day):
            loads.append(load_events(day, source, url, allow_empty=allow_empty))
    for day in computed:
        begin("organization-stats", day)
        with _day_named(day):
            statistics.append(organization_stats(day, url))
    return ReloadReport(loads, statistics, round(monotonic() - started, 3))


def _days_with_statistics(url: sa.URL, first: date, last: date) -> list[date]:
    """Return the touched days whose statistics were computed, whether or not there were any."""
    with warehouse.transaction(url) as connection:
        done = sa.select(day_load.c.run_date.label("day")).where(day_load.c.statistics_at.is_not(None))
        # Of days that an older version computed, the statistics alone tell.
        all_days = done.union(sa.select(organization_statistic.c.day)).subquery()
        touched = all_days.c.day.between(first, touched_days(first, last, date.max)[-1])
        return list(connection.scalars(sa.select(all_days.c.day).where(touched).order_by(all_days.c.day)))


@contextmanager
def _day_named(day: date) -> Iterator[None]:
    try:
        yield
    except ConfigError:
        # It is no day's.
        raise
    except EtlError as error:
        message = str(error)
        named = message if day.isoformat() in message else f"{day}: {message}"
        raise EtlError(f"{named} (the days before it are done; run it again once that is mended)") from error
