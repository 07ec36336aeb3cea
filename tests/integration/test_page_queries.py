"""What the page on organizations asks each kind of warehouse."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial
from itertools import product
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from etl import organization_health, tables
from etl import organization_queries as queries
from etl import warehouse as warehouses
from etl.health import Mark, health
from etl.organization_queries import HEALTH, NAME, Found, Wanted
from etl.statistics import STATISTICS as DECLARED

STATISTICS = tuple(statistic.name for statistic in DECLARED)
DAY = date(2016, 3, 10)
WEEK = timedelta(days=7)
ORGANIZATIONS = 70


@pytest.fixture(params=["kept", "asked"])
def connection(warehouse: sa.URL, request: pytest.FixtureRequest) -> Iterator[sa.Connection]:
    """A warehouse with organizations in every state of health, which is kept or not."""
    random = Random(7)
    since = "2016-01-01 00:00:00"
    names = [(id_, f"Organization {id_ % 35:02}% {id_}", since, since) for id_ in range(ORGANIZATIONS)]
    rows = [
        (id_, str(day), statistic, random.choice((0, 1, 7, 8, 9, 10.25, 40)))
        for id_ in range(ORGANIZATIONS)
        for day in (DAY - WEEK, DAY, DAY + timedelta(days=1))
        for statistic in STATISTICS
        if random.random() < 0.7
    ]
    with warehouses.transaction(warehouse, exclusive="tests") as opened:
        warehouses.upsert(opened, tables.organization, names)
        warehouses.upsert(opened, tables.organization_statistic, rows)
        if request.param == "kept":
            organization_health.keep(opened, DAY)
    with warehouses.transaction(warehouse) as opened:
        yield opened


def test_the_warehouse_and_the_words_know_the_same_rules(connection: sa.Connection) -> None:
    everybody = queries.find(connection, Wanted(DAY))
    assert len(everybody) == ORGANIZATIONS
    marks = {row.organization_id: health(row.now, row.before).mark for row in everybody}
    assert set(marks.values()) == set(Mark)
    for mark in Mark:
        wanted = Wanted(DAY, mark=mark)
        found = {row.organization_id for row in queries.find(connection, wanted)}
        assert found == {id_ for id_, is_ in marks.items() if is_ == mark}
        assert queries.count(connection, wanted) == len(found)


def test_pages_in_any_order_have_everybody_once(connection: sa.Connection) -> None:
    keys: dict[str, Callable[[Found], Any]] = {
        NAME: lambda row: row.name.lower(),
        HEALTH: lambda row: len(health(row.now, row.before).reasons),
    }
    for sort, descending in product((NAME, HEALTH, *STATISTICS), (False, True)):
        wanted = Wanted(DAY, sort=sort, descending=descending)
        rows = [row for page in range(3) for row in queries.find(connection, wanted, 25, page * 25)]
        assert sorted(row.organization_id for row in rows) == list(range(ORGANIZATIONS))
        values = [keys.get(sort, partial(_value, sort))(row) for row in rows]
        assert values == sorted(values, reverse=descending), wanted


def _value(statistic: str, row: Found) -> float:
    return row.now.get(statistic, 0)


def test_a_search_takes_its_text_as_it_is_in_any_case(connection: sa.Connection) -> None:
    for search, expected in (("ZATION 07", 2), ("%", ORGANIZATIONS), ("07% 7", 1), ("_", 0)):
        wanted = Wanted(DAY, search=search)
        assert queries.count(connection, wanted) == expected, search
        assert len(queries.find(connection, wanted)) == expected, search


def test_a_history_has_the_days_asked_for(connection: sa.Connection) -> None:
    assert set(queries.history(connection, 1, DAY - WEEK, DAY)) == {DAY - WEEK, DAY}
    assert set(queries.history(connection, 1, DAY, DAY)) == {DAY}
    assert queries.one(connection, 1) == ("Organization 01% 1", 0)
    assert queries.one(connection, ORGANIZATIONS) is None
