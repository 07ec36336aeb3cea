"""Organizations of a day, with their statistics and how they are doing: for the page, and the weekly mail."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache, reduce
from operator import add
from typing import Any

import sqlalchemy as sa

from etl.health import LOOKED_AT, LOOKED_AT_BEFORE, MARKS, RULES, Mark
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


def count(connection: sa.Connection, wanted: Wanted) -> int:
    """Return how many organizations are wanted.

    Args:
        connection: an open transaction.
        wanted: which.
    """
    # The order is of no matter, and may need all statistics of the day.
    wanted = replace(wanted, sort=NAME)
    query = sa.select(sa.func.count()).select_from(_among(wanted)).where(*_conditions(wanted))
    return connection.scalar(query) or 0


def find(connection: sa.Connection, wanted: Wanted, limit: int | None = None, offset: int = 0) -> list[Found]:
    """Return organizations with their statistics.

    Args:
        connection: an open transaction.
        wanted: which, and in which order.
        limit: how many at most; None for all.
        offset: how many to leave out at the beginning.
    """
    rows = connection.execute(_listing(wanted).limit(limit).offset(offset)).all()
    before = wanted.day - WEEK
    values = _values(
        connection, [row.organization_id for row in rows] if limit else None, (wanted.day, before)
    )
    return [
        Found(id_, name, values.get((id_, wanted.day), {}), values.get((id_, before), {}))
        for id_, name in rows
    ]


def find_one(connection: sa.Connection, organization_id: int, day: date) -> Found:
    """Return the statistics of an organization that there is.

    Args:
        connection: an open transaction.
        organization_id: its id.
        day: the day.
    """
    values = _values(connection, [organization_id], (day, day - WEEK))
    now, before = (values.get((organization_id, of), {}) for of in (day, day - WEEK))
    return Found(organization_id, "", now, before)


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
    for day, statistic, value in connection.execute(query):
        days.setdefault(day, {})[statistic] = float(value)
    return days


def _listing(wanted: Wanted) -> sa.Select[tuple[int, str]]:
    id_, name = organization.c.organization_id, organization.c.organization_name
    by_name = sa.func.lower(name)
    among: Any = _among(wanted)
    key: sa.ColumnElement[Any]
    if wanted.sort == NAME:
        key = by_name
    elif wanted.sort == HEALTH:
        key = _reasons(wanted.day)
    else:
        sorted_by = organization_statistic.alias("sorted_by")
        among = among.outerjoin(
            sorted_by,
            sa.and_(
                sorted_by.c.day == wanted.day,
                sorted_by.c.statistic == wanted.sort,
                sorted_by.c.organization_id == id_,
            ),
        )
        key = sa.func.coalesce(sorted_by.c.value, 0)
    query = sa.select(id_, name).select_from(among).where(*_conditions(wanted))
    return query.order_by(key.desc() if wanted.descending else key, by_name, id_)


def _among(wanted: Wanted) -> Any:
    """Return what conditions may look at: organizations, and their statistics where rules are asked."""
    if not wanted.by_health:
        return organization
    figures = _looked_at(wanted.day)
    return organization.outerjoin(figures, figures.c.organization_id == organization.c.organization_id)


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.search:
        name = organization.c.organization_name
        conditions.append(name.icontains(wanted.search, autoescape=True))
    if wanted.mark is not None:
        reasons = _reasons(wanted.day)
        conditions.append(reasons >= MARKS[wanted.mark])
        more = [least for least in MARKS.values() if least > MARKS[wanted.mark]]
        conditions.extend([reasons < min(more)] if more else [])
    return conditions


def _reasons(day: date) -> sa.ColumnElement[int]:
    """Return the number of reasons to worry, of an organization in ``_among``."""
    figures = _looked_at(day)
    now, before = (
        {name: sa.func.coalesce(figures.c[f"{when}_{name}"], 0) for name in names}
        for when, names in (("now", LOOKED_AT), ("before", LOOKED_AT_BEFORE))
    )
    first, *others = (sa.case((rule.applies(now, before), 1), else_=0) for rule in RULES)
    return reduce(add, others, first)


@lru_cache(maxsize=16)
def _looked_at(day: date) -> sa.Subquery:
    """Return what the rules of health look at, an organization a row."""
    column = organization_statistic.c
    of_days = (("now", day, LOOKED_AT), ("before", day - WEEK, LOOKED_AT_BEFORE))
    return (
        sa.select(
            column.organization_id,
            *(
                sa.func.max(
                    sa.case((sa.and_(column.day == of, column.statistic == name), column.value))
                ).label(f"{when}_{name}")
                for when, of, names in of_days
                for name in names
            ),
        )
        .where(sa.or_(*(sa.and_(column.day == of, column.statistic.in_(names)) for _, of, names in of_days)))
        .group_by(column.organization_id)
        .subquery("looked_at")
    )


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
    for id_, day, statistic, value in connection.execute(query):
        values.setdefault((id_, day), {})[statistic] = float(value)
    return values
