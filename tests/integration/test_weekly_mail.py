"""The mail with the organizations that need a call: whom it names and why, and when there is none."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
import sqlalchemy as sa
from airflow.dag_processing.dagbag import DagBag
from etl import tables
from etl import warehouse as warehouses
from etl.weekly_mail import weekly_mail

from tests.integration.airflow_fixtures import DAG_FILE, Mailbox, mailbox, settings

DAY = "2016-03-10"


@pytest.fixture
def url(tmp_path: Path) -> sa.URL:
    address = sa.URL.create("sqlite", database=str(tmp_path / "w.sqlite"))
    warehouses.migrate(address)
    names = {1: "Fine", 2: 'Bobby"; DROP <b>TABLE</b>', 3: "Watched"}
    since = "2016-01-01 00:00:00"
    statistics = [
        (1, DAY, "amount_paid_past_month", 5),
        (2, DAY, "logins_past_week", 1),
        (2, DAY, "average_weekly_logins", 20),
        (3, DAY, "logins_past_week", 1),
    ]
    with warehouses.transaction(address, exclusive="tests") as connection:
        warehouses.upsert(
            connection, tables.organization, [(id_, name, since, since) for id_, name in names.items()]
        )
        warehouses.upsert(connection, tables.organization_statistic, statistics)
    return address


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with mailbox(Mailbox()) as opened:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", opened.connection)
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/")
        yield opened


def send(url: sa.URL) -> int:
    return weekly_mail({"ti": Mock(), "run_id": "scheduled"}, url, ["sales@example.org"])


def test_it_names_who_needs_a_call_and_why(url: sa.URL, box: Mailbox) -> None:
    assert send(url) == 1
    (message,) = box.messages
    assert message["subject"] == "1 organization needs a call"
    body = message.get_body()
    assert body
    html = body.get_content()
    assert "2016-03-10" in html
    assert '<a href="https://airflow.example.org/plugin/organizations/organizations/2">' in html
    assert "Bobby&#34;; DROP &lt;b&gt;TABLE&lt;/b&gt;" in html
    assert "1 logins this week, where 20.0 are usual; no payment for a month" in html
    assert "Watched" not in html


def test_with_nobody_to_call_there_is_no_mail(url: sa.URL, box: Mailbox) -> None:
    with warehouses.transaction(url, exclusive="tests") as connection:
        connection.execute(sa.delete(tables.organization_statistic))
    assert send(url) == 0
    assert not box.messages


@pytest.mark.parametrize(
    ("changes", "dags"),
    [
        ({"ETL_WEEKLY_EMAILS": "sales@example.org"}, ["weekly_mail"]),
        ({}, []),
        ({"ETL_WEEKLY_EMAILS": "sales@example.org", "ETL_RUNNER": "lambda"}, []),
    ],
)
def test_there_is_the_dag_where_somebody_wants_it(changes: dict[str, str], dags: list[str]) -> None:
    with settings(**changes):
        bag = DagBag(dag_folder=DAG_FILE.with_name("weekly_mail.py"))
    assert not bag.import_errors
    assert list(bag.dags) == dags
