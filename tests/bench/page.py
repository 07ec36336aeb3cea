"""The page on organizations: how long its addresses take, without Airflow's look at who asks."""

import os
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from unittest.mock import patch

import sqlalchemy as sa
from fastapi.testclient import TestClient

from tests.bench import years

ID = 4711
TIMES = 10
# Of each, so few times say too little: those that were slow are asked for so many times more.
SLOW, TIMES_OF_SLOW = 3, 100
# All organizations as a file, which is as long as there are many of them.
WHOLE_TABLE = "/organizations.csv"


@contextmanager
def opened(url: sa.URL) -> Iterator[TestClient]:
    """Open the page for anybody.

    Args:
        url: the warehouse that it reads.
    """
    with patch.dict(os.environ, ETL_WAREHOUSE_URL=url.render_as_string(hide_password=False)):
        # Airflow takes its settings when it is imported.
        from organizations import app as page  # noqa: PLC0415
        from organizations.access import allowed  # noqa: PLC0415

        with (
            patch.object(page, "failed_days", frozenset),
            patch.dict(page.app.dependency_overrides, {allowed: lambda: None}),
            # Entered, it keeps its thread: to make one for each request is no work of the page's.
            TestClient(page.app) as client,
        ):
            yield client


def addresses(organization_id: int = ID) -> list[str]:
    """Return the addresses of everything that people look at, but for the table of all organizations as CSV.

    Args:
        organization_id: the one that is looked at.
    """
    from organizations.figures import CHARTS  # noqa: PLC0415
    from organizations.listing import SORTS  # noqa: PLC0415
    from organizations.overview import FAULTS, LINES  # noqa: PLC0415

    some_weeks_ago = years.LAST - years.MADE_UP
    one, two_years = f"/{organization_id}", "days=730"
    return [
        *(f"/?sort={order}{name}" for name in SORTS for order in ("", "-")),
        *(f"/?page=3&sort={order}" for order in ("name", "-health", "-logins_past_week")),
        *(f"/?mark={mark}" for mark in ("call", "watch", "well")),
        *("/?search=acme", "/?search=nobody", "/?search=a&mark=call", f"/?day={some_weeks_ago}"),
        *(one, f"{one}?last={some_weeks_ago}", f"{one}?{two_years}"),
        *(f"{one}/{chart}.csv?{two_years}" for chart in CHARTS),
        *("/overview", f"/overview?{two_years}", f"/malformed.csv?{two_years}"),
        *(f"/overview/{chart}.csv?{two_years}" for chart in (*CHARTS, LINES, FAULTS)),
    ]


def milliseconds(page: TestClient, address: str, times: int = TIMES) -> list[float]:
    """Return how long an address takes, in order.

    Args:
        page: the page.
        address: the address.
        times: how often it is asked for.
    """
    taken = []
    for _ in range(times):
        started = perf_counter()
        page.get(address).raise_for_status()
        taken.append((perf_counter() - started) * 1000)
    return sorted(taken)


def slowest(page: TestClient) -> tuple[str, float, float]:
    """Return the address with the largest 95th percentile, that, and the median of all (milliseconds).

    Args:
        page: the page.
    """
    taken = {address: milliseconds(page, address) for address in addresses()}
    slow = sorted(taken, key=lambda each: _late(taken[each]))[-SLOW:]
    late = {address: _late(milliseconds(page, address, TIMES_OF_SLOW)) for address in slow}
    address = max(late, key=lambda each: late[each])
    return address, late[address], statistics.median(time for times in taken.values() for time in times)


def _late(milliseconds: list[float]) -> float:
    return statistics.quantiles(milliseconds, n=20)[-1]
