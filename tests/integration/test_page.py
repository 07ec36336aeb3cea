"""The page on organizations, in Airflow's web server: who may see it, what it shows, what it never does."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from etl import tables
from etl import warehouse as warehouses
from etl.statistics import STATISTICS as DECLARED
from fastapi.testclient import TestClient

from tests.integration.page_fixtures import Login, web_server

DAY = date(2016, 3, 10)
WEEK = timedelta(days=7)
STATISTICS = tuple(statistic.name for statistic in DECLARED)
MOST_BYTES = 300_000
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
        warehouses.upsert(
            connection,
            tables.organization_statistic_total,
            [(str(DAY), "logins_past_week", 3, 1287), (str(DAY), "amount_paid_past_month", 1, 99.5)],
        )
        warehouses.upsert(
            connection,
            tables.day_load_rows,
            [(str(DAY), "user_event", 7), (str(DAY), "unknown_event", 1)],
        )
        warehouses.upsert(
            connection,
            tables.malformed_line,
            [(str(DAY), 1, "prod/a&b.json", 17, "f" * 32, "<b>ERROR</b>")],
        )
        warehouses.upsert(connection, tables.organization_user, [(2, user, since, since) for user in (7, 8)])
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

    names = {"/static/{name}": "page.css", "/overview/{name}.csv": "lines"}
    paths = [str(getattr(route, "path", "")) for route in app.routes]
    return [
        path.replace("{organization_id}", "1").replace("{name}", names.get(path, "logins")) for path in paths
    ]


def test_every_route_refuses_who_has_not_logged_in_or_has_no_permission(
    login: Login, stocked: sa.URL
) -> None:
    paths = routes()
    assert len(paths) >= 8
    for role, status in ((None, 401), ("Viewer", 403), ("AccountManager", 200)):
        client = login(role)
        for path in paths:
            answer = client.get(f"/organizations{path}")
            assert answer.status_code == status, path
            assert status == 200 or "Acme" not in answer.text


def test_an_account_manager_sees_the_plugin_and_neither_dags_nor_connections(login: Login) -> None:
    client = login("AccountManager")
    plugins = client.get("/api/v2/plugins").json()["plugins"]
    assert [view["href"] for plugin in plugins for view in plugin["external_views"]] == ["organizations/"]
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


def rows(answer: httpx.Response) -> list[list[str]]:
    """Read a CSV file that is to be saved."""
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="[\w-]+\.csv"', answer.headers["Content-Disposition"])
    return list(csv.reader(io.StringIO(answer.text)))


def test_an_organization_has_charts_with_their_numbers(page: TestClient) -> None:
    html = page.get("2?days=8").text
    assert "Bobby&#34;; DROP TABLE students &lt;script&gt;" in html
    assert "2 members" in html
    assert '<span class="mark call">Call</span>' in html
    assert re.findall(r'<h2 id="(\w+)">', html) == ["logins", "messages", "paid", "tickets"]
    # Two lines of logins; messages of four networks with their averages; one of each of the others.
    assert html.count("<polyline ") == html.count("<li><svg") * 2 == 2 * (2 + 8 + 1 + 1)
    tickets = html[html.index("Numbers of Support tickets") :]
    assert re.search(r'2016-03-10</th><td class="number">5</td>', tickets)
    assert re.search(r'2016-03-09</th><td class="number"><span title="no value">', tickets)
    assert re.search(r'2016-03-03</th><td class="number">4</td>', tickets)


def test_an_organization_that_there_is_not_is_told_of(page: TestClient) -> None:
    answer = page.get("999")
    assert answer.status_code == 404
    assert "There is no organization 999." in answer.text
    assert page.get("1/nothing.csv").status_code == 404


def test_the_overview_has_totals_loads_and_malformed_lines(page: TestClient) -> None:
    html = page.get("overview").text
    charts = ["logins", "messages", "paid", "tickets", "lines", "faults", "malformed-lines"]
    assert re.findall(r'<h2 id="([\w-]+)">', html) == charts
    assert "1,287" in html
    assert "prod/a&amp;b.json" in html
    assert "&lt;b&gt;ERROR&lt;/b&gt;" in html
    assert "<b>" not in html


def test_the_table_as_csv_has_everybody_and_is_no_formula(page: TestClient, stocked: sa.URL) -> None:
    with warehouses.transaction(stocked, exclusive="tests") as connection:
        since = "2016-01-01 00:00:00"
        warehouses.upsert(connection, tables.organization, [(4, "=HYPERLINK(1)", since, since)])
    header, *found = rows(page.get("organizations.csv?sort=name"))
    assert header[:5] == ["day", "organization_id", "organization_name", "health", "reasons"]
    assert [row[2] for row in found] == ["'=HYPERLINK(1)", "Acme Charter", NASTY, "naïve café"]
    acme = dict(zip(header, found[1], strict=True))
    assert acme["logins_past_week"] == "1234.00"
    assert acme["amount_paid_past_month"] == "99.50"
    assert acme["twitter_messages_sent_past_week"] == "0.00"
    # The changes against the week before, too.
    assert acme["logins_past_week_change"] == "234.00"
    assert acme["num_support_tickets_past_month_change"] == "-7.00"


def test_every_chart_comes_as_csv(page: TestClient) -> None:
    for address in ("2", "overview"):
        for link in re.findall(
            r'href="/organizations/([^"]+\.csv[^"]*)"', page.get(f"{address}?days=8").text
        ):
            header, *found = rows(page.get(link.replace("&amp;", "&")))
            assert header[0] == "day"
            assert len(found) == 8 or "malformed" in link
    assert rows(page.get("2/tickets.csv?days=8"))[1:] == [
        ["2016-03-03", "4.00"],
        *([f"2016-03-{day:02}", ""] for day in range(4, 10)),
        ["2016-03-10", "5.00"],
    ]
    assert rows(page.get("malformed.csv"))[1:] == [["2016-03-10", "prod/a&b.json", "17", "<b>ERROR</b>"]]


@pytest.mark.parametrize("address", ["1?days=731", "1?last=x", "1?last=0001-01-01", "2147483648", "x"])
def test_a_wrong_address_of_an_organization_is_told_in_words(page: TestClient, address: str) -> None:
    assert page.get(address).status_code == 400


def test_two_years_weigh_little(page: TestClient, stocked: sa.URL) -> None:
    days = [DAY - timedelta(days=n) for n in range(730)]
    values = [(str(day), name, 12_345.67 + day.day) for day in days for name in STATISTICS]
    with warehouses.transaction(stocked, exclusive="tests") as connection:
        warehouses.upsert(
            connection, tables.organization_statistic, [(1, day, name, value) for day, name, value in values]
        )
        warehouses.upsert(
            connection,
            tables.organization_statistic_total,
            [(day, name, 10_000, value * 1000) for day, name, value in values],
        )
        warehouses.upsert(
            connection,
            tables.day_load,
            [
                (str(day), f"{day} 01:00:00", 10_000, 2_000, 100, 1, 10**6, 0.5, f"{day} 02:00:00")
                for day in days
            ],
        )
        warehouses.upsert(
            connection,
            tables.day_load_rows,
            [(str(day), name, 10_000 + day.day) for day in days for name in tables.event_tables],
        )
    files = sum(len(page.get(f"static/{name}").content) for name in ("page.css", "theme.js"))
    for address in ("1?days=730", "overview?days=730"):
        weight = len(page.get(address).content)
        assert 100_000 < weight <= MOST_BYTES - files, address
