"""Organizations of a day, with their statistics and how they are doing: for the page, and the weekly mail."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from etl import organization_health
from etl.health import MARKS, Health, Mark, health, reasons
from etl.tables import organization, organization_statistic, organization_user

WEEK = timedelta(days=7)
# What organizations are sorted by, beside the statistics.
NAME, HEALTH = "name", "health"

Values = dict[str, float]


@dataclass(frozen=True)
class Wanted:
    """Which organizations of a day are asked for, and in which order."""

    day: date
    search: str = ""
    mark: Mark | None = None
    # A statistic, the name, or the number of reasons to worry.
    sort: str = NAME
    descending: bool = False

    @property
    def by_health(self) -> bool:
        """Whether the rules have to be asked about every organization."""
        return self.mark is not None or self.sort == HEALTH


@dataclass(frozen=True)
class Found:
    """An organization, with its statistics of a day and of the day a week before."""

    organization_id: int
    name: str
    now: Values
    before: Values
    # The names of the reasons to worry, where they were kept.
    reasons: Collection[str] | None

    @cached_property
    def health(self) -> Health:
        """How it was doing."""
        return health(self.now, self.before, self.reasons)


def count(connection: sa.Connection, wanted: Wanted) -> int:
    """Return how many organizations are wanted.

    Args:
        connection: an open transaction.
        wanted: which.
    """
    # The order is of no matter, and may need all statistics of the day.
    listing = _listing(connection, replace(wanted, sort=NAME)).order_by(None)
    # MySQL would count a whole table by several threads, whose start takes longer than all the rest.
    return int(connection.scalar(sa.select(sa.func.sum(1)).select_from(listing.subquery("wanted"))) or 0)


def find(connection: sa.Connection, wanted: Wanted, limit: int | None = None, offset: int = 0) -> list[Found]:
    """Return organizations with their statistics.

    Args:
        connection: an open transaction.
        wanted: which, and in which order.
        limit: how many at most; None for all.
        offset: how many to leave out at the beginning.
    """
    rows = connection.execute(_listing(connection, wanted).limit(limit).offset(offset)).all()
    return _found(connection, rows, wanted.day, None if limit is None else [id_ for id_, _name in rows])


def find_one(connection: sa.Connection, organization_id: int, day: date) -> Found:
    """Return the statistics of an organization that there is.

    Args:
        connection: an open transaction.
        organization_id: its id.
        day: the day.
    """
    (found,) = _found(connection, [(organization_id, "")], day, [organization_id])
    return found


def one(connection: sa.Connection, organization_id: int) -> tuple[str, int] | None:
    """Return an organization's name and the number of its members, if there is such an organization.

    Args:
        connection: an open transaction.
        organization_id: its id.
    """
    members = (
        sa.select(sa.func.count())
        .where(organization_user.c.organization_id == organization_id)
        .scalar_subquery()
    )
    query = sa.select(organization.c.organization_name, members).where(
        organization.c.organization_id == organization_id
    )
    row = connection.execute(query).first()
    return (row[0], row[1]) if row else None


def history(connection: sa.Connection, organization_id: int, first: date, last: date) -> dict[date, Values]:
    """Return an organization's statistics by day.

    Args:
        connection: an open transaction.
        organization_id: its id.
        first: the first day.
        last: the last day.
    """
    column = organization_statistic.c
    query = sa.select(column.day, column.statistic, column.value).where(
        column.organization_id == organization_id, column.day.between(first, last)
    )
    days: dict[date, Values] = {}
    for day, statistic, value in connection.execute(query).all():
        days.setdefault(day, {})[statistic] = float(value)
    return days


def _listing(connection: sa.Connection, wanted: Wanted) -> sa.Select[tuple[int, str]]:
    id_, name = organization.c.organization_id, organization.c.organization_name
    by_name = sa.func.lower(name)
    among: sa.FromClause = organization
    conditions: list[sa.ColumnElement[bool]] = []
    key: sa.ColumnElement[Any] = by_name
    if wanted.search:
        conditions.append(name.icontains(wanted.search, autoescape=True))
    if wanted.by_health:
        marked = _health(connection, wanted.day).subquery("of_day")
        # Those without any statistics are looked for only where they are wanted: that takes twice as long.
        also_without = wanted.mark in (None, health({}, {}).mark)
        among = among.join(marked, marked.c.organization_id == id_, isouter=also_without)
        reason_count = sa.func.coalesce(marked.c.reason_count, len(reasons({}, {})))
        if wanted.mark is not None:
            conditions.append(_has(wanted.mark, reason_count))
        if wanted.sort == HEALTH:
            key = reason_count
    if wanted.sort not in (NAME, HEALTH):
        column = organization_statistic.c
        values = sa.select(column.organization_id, column.value).where(
            column.day == wanted.day, column.statistic == wanted.sort
        )
        sorted_by = values.subquery("sorted_by")
        among = among.outerjoin(sorted_by, sorted_by.c.organization_id == id_)
        key = sa.func.coalesce(sorted_by.c.value, 0)
    query = sa.select(id_, name).select_from(among).where(*conditions)
    # MySQL would look into the index of all days for each organization, which takes twice as long.
    query = query.prefix_with("/*+ NO_MERGE(of_day, sorted_by) */", dialect="mysql")
    return query.order_by(key.desc() if wanted.descending else key, by_name, id_)


def _health(connection: sa.Connection, day: date) -> sa.Select[tuple[int, int, str]]:
    """Return the query for the health of a day's organizations, as it was kept, or as the rules have it."""
    if organization_health.is_kept(connection, day):
        return organization_health.kept(day)
    return organization_health.asked(day)


def _has(mark: Mark, reason_count: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    more = min((least for least in MARKS.values() if least > MARKS[mark]), default=None)
    enough = reason_count >= MARKS[mark]
    return enough if more is None else sa.and_(enough, reason_count < more)


def _found(
    connection: sa.Connection,
    organizations: Iterable[Sequence[Any]],
    day: date,
    organization_ids: Sequence[int] | None,
) -> list[Found]:
    """Return organizations with what there is of a day.

    Args:
        connection: an open transaction.
        organizations: their ids and names.
        day: the day.
        organization_ids: the ids once more; None where it is quicker to read those of all.
    """
    before = day - WEEK
    values = _values(connection, organization_ids, (day, before))
    query = organization_health.kept(day)
    if organization_ids is not None:
        query = query.where(query.selected_columns.organization_id.in_(organization_ids))
    kept = {id_: names.split() for id_, _, names in connection.execute(query).all()}
    return [
        Found(id_, name, values.get((id_, day), {}), values.get((id_, before), {}), kept.get(id_))
        for id_, name in organizations
    ]


def _values(
    connection: sa.Connection, organization_ids: Sequence[int] | None, days: Iterable[date]
) -> dict[tuple[int, date], Values]:
    column = organization_statistic.c
    query = sa.select(column.organization_id, column.day, column.statistic, column.value).where(
        column.day.in_(days)
    )
    if organization_ids is not None:
        query = query.where(column.organization_id.in_(organization_ids))
    values: dict[tuple[int, date], Values] = {}
    for id_, day, statistic, value in connection.execute(query).all():
        values.setdefault((id_, day), {})[statistic] = float(value)
    return values
