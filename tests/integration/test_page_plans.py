"""How MySQL finds what the page on organizations asks for: by keys, never through all days that there are."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from etl import organization_health, tables
from etl import warehouse as warehouses
from fastapi.testclient import TestClient

from tests.bench import page as bench
from tests.bench import years

ORGANIZATIONS, DAYS = 200, 60
# They have rows of every organization and day.
LARGE = {table.name for table in (tables.organization_statistic, tables.organization_health)}
# What a look at one day, and the day a week before, may read; all days have thirty times as much.
MOST_ROWS = 2 * 12 * ORGANIZATIONS

Statement = tuple[str, Any]


@pytest.fixture(scope="module")
def filled(warehouse_server: sa.URL) -> sa.URL:
    """A warehouse with some months of statistics."""
    if warehouse_server.get_backend_name() != "mysql":
        pytest.skip("the plans are MySQL's")
    with warehouses.transaction(warehouse_server, exclusive="tests") as connection:
        for table in tables.metadata.sorted_tables:
            connection.execute(sa.delete(table))
    years.fill(warehouse_server, ORGANIZATIONS, DAYS)
    return warehouse_server


@pytest.fixture
def page(filled: sa.URL) -> Iterator[TestClient]:
    with bench.opened(filled) as opened:
        yield opened


@pytest.fixture
def asked() -> Iterator[list[Statement]]:
    """What is asked of any database meanwhile."""
    statements: list[Statement] = []

    def listen(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        statements.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", listen)
    yield statements
    sa.event.remove(sa.Engine, "before_cursor_execute", listen)


def routes(page: TestClient) -> list[re.Pattern[str]]:
    """Return the addresses that there are, but for files that ask no warehouse."""
    found = [route for route in page.app.routes if not route.path.startswith("/static")]  # type: ignore[attr-defined]
    return [re.compile(route.path_regex) for route in found]


def plan(connection: sa.Connection, statement: Statement) -> list[Any]:
    text, parameters = statement
    return list(connection.exec_driver_sql(f"EXPLAIN FORMAT=TRADITIONAL {text}", parameters))


@pytest.fixture(params=["kept", "asked"])
def of_health(filled: sa.URL, request: pytest.FixtureRequest) -> Iterator[None]:
    """The health of the newest day as it is kept, or as an older version leaves it: the rules are asked."""
    if request.param == "kept":
        yield
        return
    with warehouses.transaction(filled, exclusive="tests") as connection:
        connection.execute(
            sa.delete(tables.organization_health).where(tables.organization_health.c.day == years.LAST)
        )
    yield
    with warehouses.transaction(filled, exclusive="tests") as connection:
        organization_health.keep(connection, years.LAST)


def test_no_page_reads_more_where_there_are_more_days(
    page: TestClient, filled: sa.URL, of_health: None, asked: list[Statement]
) -> None:
    addresses = [*bench.addresses(organization_id=7), bench.WHOLE_TABLE]
    for address in addresses:
        assert page.get(address).status_code == 200, address
    left_out = [
        route
        for route in routes(page)
        if not any(route.fullmatch(each.partition("?")[0]) for each in addresses)
    ]
    assert not left_out
    selects = {text: (text, parameters) for text, parameters in asked if text.startswith("SELECT")}
    of_large = [
        each for text, each in selects.items() if any(re.search(rf"\b{name}\b", text) for name in LARGE)
    ]
    assert len(of_large) >= 10
    with warehouses.transaction(filled) as connection:
        for statement in of_large:
            for step in plan(connection, statement):
                if step.table in LARGE:
                    assert step.type in {"const", "eq_ref", "ref", "range"}, (statement, step)
                    assert step.rows <= MOST_ROWS, (statement, step)


def test_the_whole_tables_are_so_large_that_it_matters(filled: sa.URL) -> None:
    with warehouses.transaction(filled) as connection:
        for name in LARGE:
            (step,) = plan(connection, (f"SELECT MAX(day + INTERVAL 1 DAY) FROM {name}", ()))
            assert step.type in {"index", "ALL"}
            assert step.rows > 2 * ORGANIZATIONS * DAYS / 4
