"""The DAG that loads days again: on demand, and where objects changed."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import sqlalchemy as sa
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.serialization.serialized_objects import DagSerialization
from etl import storage, warehouse
from etl.config import S3Location
from etl.errors import EtlError
from etl.load_events import load_events
from etl.mails import Mails
from etl.organization_stats import organization_stats
from etl.reload_task import reload_days
from etl.tables import organization, organization_statistic, organization_user

from tests.integration.airflow_fixtures import DAG_FILE, Mailbox, mailbox, settings

DAYS = [date(2016, 3, 1), date(2016, 3, 2), date(2016, 3, 3)]
Put = Callable[[date, str, bytes], None]


def login(name: str, day: date) -> bytes:
    event = {"event_id": name, "timestamp": f"{day} 08:00:00", "user_id": 1, "event": "web_login"}
    return json.dumps(event).encode()


@pytest.fixture
def url(source: S3Location, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sa.URL:
    """A warehouse in which all days are done, with a login each."""
    url = sa.URL.create("sqlite", database=str(tmp_path / "warehouse.sqlite"))
    monkeypatch.setenv("ETL_WAREHOUSE_URL", str(url))
    warehouse.migrate(url)
    with warehouse.transaction(url, exclusive="organizations") as connection:
        connection.execute(sa.insert(organization).values(organization_id=7, organization_name="Acme"))
        connection.execute(sa.insert(organization_user).values(organization_id=7, user_id=1))
    for day in DAYS:
        put(day, "part-0", login(f"first of {day}", day))
        load_events(day, source, url)
        organization_stats(day, url)
    return url


def run(first: str | None = None, last: str | None = None, mails: Mails | None = None) -> dict[str, Any]:
    ti = Mock(dag_id="reload_days", task_id="reload_days", log_url="http://log")
    context: Any = {"params": {"from": first, "to": last}, "ti": ti, "run_id": "manual"}
    return reload_days(context, mails or Mails([]))


def logins_past_week(url: sa.URL) -> dict[date, int]:
    table = organization_statistic
    query = sa.select(table.c.day, table.c.value).where(table.c.statistic == "logins_past_week")
    with warehouse.transaction(url) as connection:
        return {row.day: int(row.value) for row in connection.execute(query)}


def test_days_whose_objects_did_not_change_are_left_alone(url: sa.URL) -> None:
    with pytest.raises(AirflowSkipException, match="since their days were loaded"):
        run()
    assert logins_past_week(url) == dict(zip(DAYS, (1, 2, 3), strict=True))


def test_a_late_object_is_loaded_with_the_statistics_of_later_days_and_told_of(
    url: sa.URL, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(DAYS[1], "part-1", login("late", DAYS[1]))
    with mailbox(Mailbox()) as box:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", box.connection)
        report = run(mails=Mails(["ops@example.com"]))
    assert [load["run_date"] for load in report["loads"]] == ["2016-03-02"]
    assert logins_past_week(url) == dict(zip(DAYS, (1, 3, 4), strict=True))
    (message,) = box.messages
    body = message.get_body()
    assert message["subject"] == "Objects of 1 days had changed: loaded again"
    assert body
    assert "2016-03-02: 1 new, 0 changed, 0 gone" in body.get_content()
    with pytest.raises(AirflowSkipException):
        run()


def test_days_that_are_asked_for_are_loaded_again(url: sa.URL, put: Put) -> None:
    put(DAYS[0], "part-0", login("another", DAYS[0]))
    report = run("2016-03-01", "2016-03-02")
    assert [load["run_date"] for load in report["loads"]] == ["2016-03-01", "2016-03-02"]
    assert [day["run_date"] for day in report["statistics"]] == [day.isoformat() for day in DAYS]
    assert logins_past_week(url) == dict(zip(DAYS, (1, 2, 3), strict=True))


def test_one_day_alone_is_a_range(url: sa.URL) -> None:
    assert [load["run_date"] for load in run("2016-03-02")["loads"]] == ["2016-03-02"]


def test_a_range_that_is_none_is_refused(url: sa.URL) -> None:
    with pytest.raises(AirflowFailException, match="to 2016-03-01 is before from 2016-03-02"):
        run("2016-03-02", "2016-03-01")
    with pytest.raises(AirflowFailException, match="not a calendar date"):
        run("2016-02-30")


def test_a_day_that_lost_all_its_objects_keeps_its_rows_and_is_an_error(
    url: sa.URL, source: S3Location
) -> None:
    storage.client().delete_object(Bucket=source.bucket, Key=f"{source.day_prefix(DAYS[2])}part-0")
    with pytest.raises(EtlError, match="there are no objects for 2016-03-03"):
        run()
    assert logins_past_week(url) == dict(zip(DAYS, (1, 2, 3), strict=True))


@pytest.mark.parametrize(("runner", "dags"), [("local", ["reload_days"]), ("lambda", [])])
def test_there_is_the_dag_where_a_worker_reaches_the_warehouse(runner: str, dags: list[str]) -> None:
    with settings(ETL_RUNNER=runner, ETL_ALERT_EMAILS="ops@example.com"):
        bag = DagBag(dag_folder=DAG_FILE.with_name("reload_days.py"))
    assert not bag.import_errors
    assert list(bag.dags) == dags
    for dag in bag.dags.values():
        assert json.dumps(DagSerialization.to_dict(dag))
        assert dag.doc_md
