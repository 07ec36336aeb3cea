"""How fresh the statistics are, and which days are late, missing or failed."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import sqlalchemy as sa
from etl.tables import day_load, organization_statistic_total

DAY = timedelta(days=1)
# How many days are named one by one.
NAMED = 5


@dataclass(frozen=True)
class Days:
    """The days of the warehouse."""

    # Those that have statistics, in order.
    finished: tuple[date, ...]
    # When the statistics of the newest one were computed (UTC), if that is known.
    computed_at: datetime | None
    # The first and the last one that is loaded or has statistics.
    first: date | None
    last: date | None
    warnings: tuple[str, ...]

    @property
    def newest(self) -> date | None:
        """The newest finished day."""
        return self.finished[-1] if self.finished else None


def look(
    connection: sa.Connection, now: datetime, late_after: timedelta, failed: frozenset[date] = frozenset()
) -> Days:
    """Return the days of the warehouse, with what there is to say of them.

    Args:
        connection: an open transaction.
        now: the time (UTC, without a zone).
        late_after: how long after its end a day is late.
        failed: the days of which Airflow has a job that failed for good.
    """
    load = day_load.c
    loads = {
        row.run_date: row
        for row in connection.execute(sa.select(load.run_date, load.loaded_at, load.statistics_at)).all()
    }
    with_statistics = set(connection.scalars(sa.select(organization_statistic_total.c.day).distinct()).all())
    finished = sorted(with_statistics | {day for day, row in loads.items() if row.statistics_at})
    computed_at = loads[finished[-1]].statistics_at if finished and finished[-1] in loads else None
    behind = {
        day for day, row in loads.items() if row.statistics_at is None or row.statistics_at < row.loaded_at
    }
    known = with_statistics | set(loads)
    missing = _between(known) - known - failed if known else set()
    warnings = (
        *_late(finished[-1] if finished else None, now, late_after),
        *_told(failed, "failed, and later days wait for it", "failed, and later days wait for them"),
        *_told(missing, "is missing: it was never loaded", "are missing: they were never loaded"),
        *_told(
            behind - failed,
            "is loaded, and its statistics are not computed yet",
            "are loaded, and their statistics are not computed yet",
        ),
    )
    return Days(tuple(finished), computed_at, min(known, default=None), max(known, default=None), warnings)


def _between(days: set[date]) -> set[date]:
    first, last = min(days), max(days)
    return {first + DAY * number for number in range((last - first).days)}


def _late(newest: date | None, now: datetime, late_after: timedelta) -> tuple[str, ...]:
    """Say which day is late: the first one that follows, if it should have been done by now."""
    if newest is None:
        return ("No day has been finished yet.",)
    due = datetime.combine(newest + 2 * DAY, time()) + late_after
    if now < due:
        return ()
    behind = 1 + (now - due).days
    return (
        f"{newest + DAY} is late."
        if behind == 1
        else f"{newest + DAY} is late: these statistics are {behind} days behind.",
    )


def _told(days: set[date] | frozenset[date], of_one: str, of_many: str) -> tuple[str, ...]:
    if not days:
        return ()
    named = ", ".join(str(day) for day in sorted(days)[:NAMED])
    more = f" and {len(days) - NAMED} more" if len(days) > NAMED else ""
    return (f"{named}{more} {of_one if len(days) == 1 else of_many}.",)
