import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from etl import lambda_handlers, tables

from tests.conftest import Put, Rows, add_organization

DAY = date(2016, 2, 22)
LOGIN = b'{"event_id": "a", "timestamp": "2016-02-22 10:00:00", "user_id": 7, "event": "web_login"}'
Handler = Callable[[Any, object], dict[str, Any]]

both = pytest.mark.parametrize("handler", [lambda_handlers.load_events, lambda_handlers.organization_stats])


@pytest.fixture(autouse=True)
def environment(warehouse: sa.URL, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_WAREHOUSE_URL", warehouse.render_as_string(hide_password=False))
    put(DAY, "0.json", LOGIN)
    add_organization(warehouse)


def test_both_jobs_answer_200_and_what_they_did(rows: Rows) -> None:
    loaded = lambda_handlers.load_events({"runDate": "2016-02-22"}, None)
    assert loaded["code"] == 200
    assert json.loads(loaded["message"])["rows"]["user_event"] == 1
    assert [row[0] for row in rows(tables.user_event)] == ["a"]
    computed = lambda_handlers.organization_stats({"runDate": "2016-02-22"}, None)
    assert computed["code"] == 200
    assert json.loads(computed["message"])["statistics"] == 2


@both
@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "2016-02-22",
        {},
        {"run_date": "2016-02-22"},
        {"runDate": None},
        {"runDate": "2016-02-30"},
        {"runDate": 5},
    ],
)
def test_a_bad_payload_is_answered_400(handler: Handler, payload: Any) -> None:
    answer = handler(payload, None)
    assert answer["code"] == 400
    assert "runDate" in answer["message"]


def test_a_day_without_objects_is_answered_500_unless_asked_for() -> None:
    answer = lambda_handlers.load_events({"runDate": "2016-03-01"}, None)
    assert answer["code"] == 500
    assert "no objects for 2016-03-01" in answer["message"]
    assert lambda_handlers.load_events({"runDate": "2016-03-01", "allowEmpty": True}, None)["code"] == 200
    assert lambda_handlers.load_events({"runDate": "2016-03-01", "allowEmpty": "yes"}, None)["code"] == 400


@both
def test_a_missing_setting_is_answered_500_and_named(
    handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_WAREHOUSE_URL", "nonsense")
    answer = handler({"runDate": "2016-02-22"}, None)
    assert answer["code"] == 500
    assert "ETL_WAREHOUSE_URL" in answer["message"]


@both
def test_an_unforeseen_failure_is_answered_500(handler: Handler, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise MemoryError("too large")

    monkeypatch.setattr("etl.load_events.load_events", fail)
    monkeypatch.setattr("etl.organization_stats.organization_stats", fail)
    assert handler({"runDate": "2016-02-22"}, None) == {"code": 500, "message": "MemoryError: too large"}
