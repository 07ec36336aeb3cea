"""How organizations were doing on a day: the rules of health, asked once and kept, a row for each of them."""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import reduce
from operator import add
from typing import Any

import sqlalchemy as sa

from etl.health import LOOKED_AT, LOOKED_AT_BEFORE, RULES
from etl.tables import organization_health, organization_statistic

WEEK = timedelta(days=7)


def keep(connection: sa.Connection, day: date) -> None:
    """Keep how organizations were doing, in place of what was kept of the day.

    The day a week later is compared with this one, so that what is kept of it follows.

    Args:
        connection: an open transaction, in which the day's statistics are as they shall be.
        day: the day.
    """
    # The calendar ends within a week of its last days.
    later = [day + WEEK] if day <= date.max - WEEK else []
    for of in [day, *(of for of in later if is_kept(connection, of))]:
        connection.execute(sa.delete(organization_health).where(organization_health.c.day == of))
        health = asked(of).subquery()
        connection.execute(
            sa.insert(organization_health).from_select(
                ["day", *health.c.keys()], sa.select(sa.literal(of, sa.Date).label("day"), health)
            )
        )


def is_kept(connection: sa.Connection, day: date) -> bool:
    """Return whether the health of a day was kept: days that an older version computed have none.

    Args:
        connection: an open transaction.
        day: the day.
    """
    query = sa.select(organization_health.c.organization_id).where(organization_health.c.day == day)
    return connection.execute(query.limit(1)).first() is not None


def kept(day: date) -> sa.Select[tuple[int, int, str]]:
    """Return the query for what is kept of a day: organization_id, reason_count, reasons.

    Args:
        day: the day.
    """
    column = organization_health.c
    return sa.select(column.organization_id, column.reason_count, column.reasons).where(column.day == day)


def asked(day: date) -> sa.Select[tuple[int, int, str]]:
    """Return the query that asks the rules: organization_id, reason_count, reasons.

    Args:
        day: the day.
    """
    figures = _figures(day)
    now, before = (
        {name: sa.func.coalesce(figures.c[f"{when}_{name}"], 0) for name in names}
        for when, names in (("now", LOOKED_AT), ("before", LOOKED_AT_BEFORE))
    )
    applying = [(rule.applies(now, before), rule.name) for rule in RULES]
    return sa.select(
        figures.c.organization_id,
        _added(sa.case((applies, 1), else_=0) for applies, _ in applying).label("reason_count"),
        sa.func.trim(_added(sa.case((applies, f"{name} "), else_="") for applies, name in applying)).label(
            "reasons"
        ),
    )


def _figures(day: date) -> sa.Subquery:
    """Return what the rules look at, an organization a row."""
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
        .subquery("figures")
    )


def _added(terms: Iterable[Any]) -> Any:
    return reduce(add, terms)
