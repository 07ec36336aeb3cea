"""The page on organizations, in Airflow's web server: who may see it, what it shows, what it never does."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from etl import tables
from etl import warehouse as warehouses
from fastapi.testclient import TestClient

from tests.integration.page_fixtures import Login, web_server

DAY = date(2016, 3, 10)
WEEK = timedelta(days=7)
NASTY = 'Bobby"; DROP TABLE students <script>alert(1)</script>'
NAMES = {1: "Acme Charter", 2: NASTY, 3: "naïve café", 4: "Quiet & Co"}


@pytest.fixture(scope="module")
def login() -> Iterator[Login]:
    with web_server() as (_app, made):
        yield made


@pytest.fixture
def stocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sa.URL:
    """A warehouse with a few organizations and two days."""
    url = sa.URL.create("sqlite", database=str(tmp_path / "w.sqlite"))
    monkeypatch.setenv("ETL_WAREHOUSE_URL", str(url))
    warehouses.migrate(url)
    since = "2016-01-01 00:00:00"
    values: dict[tuple[int, date], dict[str, float]] = {
        (1, DAY): {"logins_past_week": 1234, "average_weekly_logins": 1000, "amount_paid_past_month": 99.5},
        (1, DAY - WEEK): {"logins_past_week": 1000, "num_support_tickets_past_month": 7},
        (2, DAY): {"logins_past_week": 3, "average_weekly_logins": 12, "num_support_tickets_past_month": 5},
        (2, DAY - WEEK): {"num_support_tickets_past_month": 4},
        (3, DAY): {"logins_past_week": 50, "average_weekly_logins": 50},
    }
    rows = [
        (id_, str(day), name, value) for (id_, day), found in values.items() for name, value in found.items()
    ]
    with warehouses.transaction(url, exclusive="tests") as connection:
        organizations = [(id_, name, since, since) for id_, name in NAMES.items()]
        warehouses.upsert(connection, tables.organization, organizations)
        warehouses.upsert(connection, tables.organization_statistic, rows)
        warehouses.upsert(
            connection,
            tables.day_load,
            [
                (str(day), f"{day} 01:00:00", 10, 2, 1, 1, 1000, 0.5, f"{day} 02:00:00")
                for day in (DAY - WEEK, DAY)
            ],
        )
    return url


@pytest.fixture
def page(login: Login, stocked: sa.URL) -> TestClient:
    """The client of an account manager."""
    client = login("AccountManager")
    client.base_url = client.base_url.join("/organizations/")
    return client


def shown(html: str) -> list[str]:
    """Return the organizations in the table's order, as they stand in the page."""
    return re.findall(r'<th scope="row"><a [^>]*>(.*?)</a>', html)


def routes() -> list[str]:
    from organizations.app import app  # noqa: PLC0415 - Airflow's settings come first

    values = {"organization_id": "1", "name": "page.css"}
    return [
        re.sub(r"\{(\w+)[^}]*\}", lambda found: values[found.group(1)], getattr(route, "path", ""))
        for route in app.routes
    ]


def test_every_route_refuses_who_has_not_logged_in_or_has_no_permission(
    login: Login, stocked: sa.URL
) -> None:
    paths = routes()
    assert len(paths) >= 2
    for role, status in ((None, 401), ("Viewer", 403), ("AccountManager", 200)):
        client = login(role)
        for path in paths:
            answer = client.get(f"/organizations{path}")
            assert answer.status_code == status, path
            assert status == 200 or "Acme" not in answer.text


def test_an_account_manager_sees_the_plugin_and_neither_dags_nor_connections(login: Login) -> None:
    client = login("AccountManager")
    (plugin,) = client.get("/api/v2/plugins").json()["plugins"]
    assert plugin["external_views"][0]["href"] == "organizations/"
    for path in ("dags", "connections", "variables", "dagSources/daily_etls", "eventLogs", "config"):
        assert client.get(f"/api/v2/{path}").status_code == 403, path


def test_others_are_kept_out_by_headers(page: TestClient) -> None:
    answer = page.get("")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert not re.search(r"(src|href)=\"(https?:)?//", answer.text)
    assert not re.search(r"<(script|style)>|\sstyle=|\son\w+=", answer.text)


def test_names_are_shown_as_text(page: TestClient) -> None:
    html = page.get("").text
    assert "<script>alert" not in html
    assert "Bobby&#34;; DROP TABLE students &lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_the_newest_finished_day_is_shown_with_what_changed_in_a_week(page: TestClient) -> None:
    html = page.get("?sort=name").text
    assert "Organizations on 2016-03-10" in html
    assert "computed at" in html
    assert "2016-03-10 02:00 UTC" in html
    acme = html[html.index("Acme Charter") : html.index("Bobby")]
    assert "1,234 " in acme
    assert re.search(r"up by</span> 234\b", acme)
    assert re.search(r"down by</span> 7\b", acme)


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("?sort=name", ["Acme", "Bobby", "naïve", "Quiet"]),
        ("?sort=-name", ["Quiet", "naïve", "Bobby", "Acme"]),
        ("?sort=-logins_past_week", ["Acme", "naïve", "Bobby", "Quiet"]),
        ("?sort=num_support_tickets_past_month", ["Acme", "naïve", "Quiet", "Bobby"]),
        ("?search=CAF", ["naïve"]),
        ("?search=%25", []),
        ("?search=Bobby%22%3B", ["Bobby"]),
        ("", ["Bobby", "naïve", "Quiet", "Acme"]),
        ("?mark=call", ["Bobby"]),
        ("?mark=watch&sort=name", ["naïve", "Quiet"]),
        ("?mark=well", ["Acme"]),
        ("?mark=&day=&search=&sort=name", ["Acme", "Bobby", "naïve", "Quiet"]),
        ("?page=2", []),
    ],
)
def test_search_sort_and_marks(page: TestClient, address: str, names: list[str]) -> None:
    assert [name.split("&#")[0].split(" ")[0] for name in shown(page.get(address).text)] == names


def test_the_reasons_of_a_mark_are_in_words(page: TestClient) -> None:
    html = page.get("?mark=call").text
    assert (
        "3 logins this week, where 12.0 are usual; no payment for a month; "
        "5 support tickets in a month, 4 a week before"
    ) in html


@pytest.mark.parametrize("address", ["?day=2016-02-30", "?sort=nothing", "?page=0", "?mark=fine"])
def test_a_wrong_address_is_told_in_words(page: TestClient, address: str) -> None:
    answer = page.get(address)
    assert answer.status_code == 400
    assert "This address is wrong: " in answer.text


def test_another_day_can_be_asked_for(page: TestClient) -> None:
    html = page.get("?day=2016-03-03&sort=-logins_past_week").text
    assert "Organizations on 2016-03-03" in html
    assert "There are no statistics of 2016-03-04." in page.get("?day=2016-03-04").text


def test_missing_and_late_days_are_warned_of(page: TestClient) -> None:
    html = page.get("").text
    assert "2016-03-04, 2016-03-05, 2016-03-06, 2016-03-07, 2016-03-08 and 1 more are missing" in html
    assert re.search(r"2016-03-11 is late: these statistics are [0-9]+ days behind\.", html)


def test_without_a_warehouse_the_page_says_so_and_no_more(
    page: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_WAREHOUSE_URL", f"sqlite:///{tmp_path}/none.sqlite")
    answer = page.get("")
    assert answer.status_code == 503
    assert str(tmp_path) not in answer.text
