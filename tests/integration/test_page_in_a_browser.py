"""The page on organizations in a real browser: Debian's Chromium, against Airflow's web server."""

import csv
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from embedded.settings import LOCALHOST, free_port
from etl import sample_data, tables, weekly_mail
from etl import warehouse as warehouses
from etl.config import S3Location
from etl.load_events import load_events
from etl.organization_stats import organization_stats
from playwright.sync_api import Browser, FrameLocator, Page, expect, sync_playwright

from tests.conftest import Put
from tests.integration.airflow_fixtures import until
from tests.integration.page_fixtures import Login, web_server

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

FIRST = date(2016, 2, 22)
DAYS = [FIRST + timedelta(days=n) for n in range(9)]
DAY = DAYS[-1]
PHONE = {"width": 390, "height": 844}
MOST_BYTES = 300_000
# Of axe's four degrees.
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # The container that tests run in is the sandbox.
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Login]]:
    """Airflow's web server on a port of this machine."""
    port = free_port()
    with web_server() as (app, login):
        serving = uvicorn.Server(uvicorn.Config(app, host=LOCALHOST, port=port, log_level="error"))
        thread = threading.Thread(target=serving.run)
        thread.start()
        until(lambda: serving.started, "the web server")
        yield f"http://{LOCALHOST}:{port}", login
        serving.should_exit = True
        thread.join()


@pytest.fixture
def sample(tmp_path: Path, source: S3Location, put: Put, monkeypatch: pytest.MonkeyPatch) -> sa.URL:
    """Sample days, loaded and computed."""
    url = sa.URL.create("sqlite", database=str(tmp_path / "w.sqlite"))
    monkeypatch.setenv("ETL_WAREHOUSE_URL", str(url))
    warehouses.migrate(url)
    with warehouses.transaction(url, exclusive="sample") as connection:
        warehouses.upsert(connection, tables.organization, sample_data.organizations(1))
        warehouses.upsert(connection, tables.organization_user, sample_data.organization_users(1))
    for day in DAYS:
        for made in sample_data.day_objects(day, 200, 1):
            put(day, made.name, made.content)
        load_events(day, source, url)
        organization_stats(day, url)
    return url


@pytest.fixture
def page(
    browser: Browser,
    server: tuple[str, Login],
    sample: sa.URL,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> Iterator[Page]:
    """A tab in which an account manager has logged in as people do; a failed test leaves a picture of it."""
    url, login = server
    login("AccountManager")
    context = browser.new_context(base_url=url, viewport={"width": 1440, "height": 900})
    tab = context.new_page()
    tab.goto("/auth/login/")
    tab.get_by_label("Username").fill("AccountManager")
    tab.get_by_label("Password").fill("AccountManager")
    tab.get_by_role("button", name=re.compile("sign in", re.IGNORECASE)).click()
    tab.wait_for_url(lambda address: "login" not in address)
    failed = request.session.testsfailed
    yield tab
    if request.session.testsfailed > failed:
        # pytest keeps the folder, and shows this beside the failure.
        picture = tmp_path / "failed.png"
        tab.screenshot(path=picture)
        sys.stdout.write(f"the page as it was is in {picture}\n")
    context.close()


def frame(page: Page) -> FrameLocator:
    """Open the page by Airflow's navigation; return what is in its frame."""
    page.goto("/")
    page.get_by_role("link", name="Statistics").click()
    shown = page.frame_locator("iframe")
    expect(shown.get_by_role("heading", level=1)).to_have_text(f"Organizations on {DAY}")
    return shown


def etl_stats(organization: str) -> dict[str, float]:
    """Return what the command says of an organization's newest day."""
    command = [str(Path(sys.executable).with_name("etl")), "stats", "--organization", organization, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {row["statistic"]: row["value"] for row in json.loads(done.stdout)}


def test_an_account_manager_finds_an_organization_and_takes_its_numbers_along(page: Page) -> None:
    shown = frame(page)
    shown.get_by_role("link", name=re.compile("^Logins past week")).click()
    table = shown.get_by_role("region", name="Table of organizations").get_by_role("table")
    expect(table.get_by_role("columnheader", name=re.compile("^Logins past week"))).to_have_attribute(
        "aria-sort", "descending"
    )
    logins = [
        float(text.split()[0].replace(",", ""))
        for text in table.locator("tbody tr td:nth-of-type(2)").all_inner_texts()
    ]
    assert logins == sorted(logins, reverse=True)
    assert logins[0] > 0
    name = table.locator("tbody th").first.inner_text()
    shown.get_by_label("Name").fill(name.lower())
    shown.get_by_role("button", name="Show").click()
    expect(table.locator("tbody tr")).to_have_count(1)
    shown.get_by_role("link", name=name).click()
    expect(shown.get_by_role("heading", level=1)).to_have_text(name)

    # The page's numbers, as they stand in the table and in the file, are those of the command.
    wanted = etl_stats(name)
    assert wanted["logins_past_week"] == logins[0]
    shown.get_by_text("Numbers of Logins").click()
    row = shown.get_by_role("region", name="Table of Logins").get_by_role("row").nth(1)
    expect(row.get_by_role("rowheader")).to_have_text(str(DAY))
    with page.expect_download() as download:
        shown.get_by_role("link", name="CSV of Logins").click()
    last = list(csv.reader(download.value.path().read_text().splitlines()))[-1]
    assert [last[0], *map(float, last[1:])] == [
        str(DAY),
        wanted["logins_past_week"],
        wanted["average_weekly_logins"],
    ]
    # The address is one to come back to.
    page.reload()
    expect(page.frame_locator("iframe").get_by_role("heading", level=1)).to_have_text(name)


def test_the_links_of_the_weekly_mail_lead_there(page: Page) -> None:
    id_, name, *_ = sample_data.organizations(1)[0]
    for address, heading in (
        (f"{weekly_mail.PAGE}/{id_}", str(name)),
        (f"{weekly_mail.PAGE}/", f"Organizations on {DAY}"),
    ):
        page.goto(address)
        expect(page.frame_locator("iframe").get_by_role("heading", level=1)).to_have_text(heading)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(page: Page, scheme: str) -> None:
    """Axe finds nothing serious, in any of the pages; nothing runs out of a phone's width."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # of those two
    for path in ("", "?mark=well&search=a", "1", "overview"):
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(f"/organizations/{path}")
        for number in page.locator("summary").all():
            number.click()
        found = Axe().run(page).response["violations"]
        faults = [
            (fault["id"], node["html"][:200], node["failureSummary"])
            for fault in found
            if fault["impact"] in SERIOUS
            for node in fault["nodes"]
        ]
        assert faults == [], path
        page.set_viewport_size(PHONE)  # type: ignore[arg-type] # both of its keys
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path


def test_it_is_as_dark_as_airflow_is_at_once(page: Page) -> None:
    shown = frame(page)
    root = shown.locator("html")
    for theme in ("dark", "light"):
        # What Airflow's own switch does.
        page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
        expect(root).to_have_attribute("data-theme", theme)


def test_the_keyboard_is_enough(page: Page) -> None:
    page.goto("/organizations/?sort=name")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    search = page.get_by_label("Name")
    for _ in range(10):
        page.keyboard.press("Tab")
        if search.evaluate("field => field === document.activeElement"):
            break
    page.keyboard.type("charter")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("organizations.")
    assert "search=charter" in page.url


def test_nothing_else_is_asked_for_and_little_is_sent(page: Page) -> None:
    complaints: list[str] = []
    asked: list[str] = []
    # Airflow's own page may still be busy in the first one.
    tab = page.context.new_page()
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("request", lambda request: asked.append(request.url))
    for path in ("", "1", "overview"):
        tab.goto(f"/organizations/{path}", wait_until="networkidle")
        sizes = tab.evaluate(
            "performance.getEntries().map(entry => entry.decodedBodySize || 0).reduce((a, b) => a + b)"
        )
        assert 0 < sizes <= MOST_BYTES, path
    wanted = re.compile(r"http://127\.0\.0\.1:[0-9]+/(organizations/.*|favicon\.ico)")
    assert all(wanted.fullmatch(url) for url in asked), asked
    assert not complaints


def test_who_has_not_logged_in_is_refused(browser: Browser, server: tuple[str, Login]) -> None:
    context = browser.new_context(base_url=server[0])
    tab = context.new_page()
    answer = tab.goto("/organizations/1")
    assert answer
    assert answer.status == 401
    expect(tab.get_by_role("alert")).to_contain_text("You are not logged in")
    context.close()
