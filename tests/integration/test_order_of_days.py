"""Days in their order through real Airflow, whatever an operator does first; told in order.

Sample days are caught up with two bad ones among them, which are mended in either order of actions. Then days
that are done are done again while the newest one waits. The order is asserted from Airflow's record of tries.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from embedded.airflow_api import DAG
from embedded.settings import BUCKET
from etl.tables import user_event

from tests.integration.operator_of_days import SENSOR, SOURCE, Operator, operated

FIRST = date(2016, 2, 22)
DAYS = [FIRST + timedelta(days=number) for number in range(10)]
*DONE, NEWEST = DAYS
FIRST_BAD, SECOND_BAD, MARKED = DAYS[2], DAYS[5], DAYS[8]


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """A pipeline that has stopped at its first bad day."""
    folder = tmp_path_factory.mktemp("embedded")
    with operated(folder, DAYS, FIRST_BAD, SECOND_BAD, MARKED, ETL_LATE_AFTER="5s") as operator:
        operator.wait_until_failed(FIRST_BAD)
        yield operator


@pytest.fixture(scope="module")
def turned_on_then_cleared(operator: Operator) -> Operator:
    operator.pause(is_paused=True)
    operator.mend_day(FIRST_BAD)
    operator.pause(is_paused=False)
    for later in (1, 2):
        day = FIRST_BAD + timedelta(days=later)
        operator.wait(lambda: operator.states(day)[:1] == ["deferred"], f"{day} to wait")  # noqa: B023
    operator.clear(FIRST_BAD, only_failed=True)
    operator.wait_until_failed(SECOND_BAD)
    return operator


@pytest.fixture(scope="module")
def cleared_then_turned_on(turned_on_then_cleared: Operator) -> Operator:
    operator = turned_on_then_cleared
    operator.pause(is_paused=True)
    operator.mend_day(SECOND_BAD)
    operator.clear(SECOND_BAD, only_failed=True)
    operator.pause(is_paused=False)
    operator.wait_until_failed(MARKED)
    return operator


@pytest.fixture(scope="module")
def caught_up(cleared_then_turned_on: Operator) -> Operator:
    operator = cleared_then_turned_on
    path = f"/dags/{DAG}/dagRuns/{quote(operator.run_id(MARKED))}/taskInstances/etl_load_events"
    operator.change("PATCH", path, new_state="success")
    operator.wait_until_done(MARKED)
    operator.mend_day(MARKED)
    operator.wait(lambda: operator.states(NEWEST)[:1] == ["deferred"], "the newest day to wait")
    return operator


def test_later_days_wait_for_a_failed_one_and_nobody_hears_twice(operator: Operator) -> None:
    day = FIRST_BAD + timedelta(days=1)
    operator.wait(lambda: operator.states(day) == ["deferred", None, None], f"{day} to wait")
    assert operator.subjects() == [f"{DAG}.etl_load_events failed: {FIRST_BAD}"]
    assert [found["state"] for found in operator.tries(FIRST_BAD, "etl_load_events")][-1] == "failed"
    assert len(operator.tries(FIRST_BAD, "etl_load_events")) == 4
    operator.check_order()


def test_each_run_says_which_day_it_is_for(operator: Operator) -> None:
    notes = {run["logical_date"][:10]: run["note"] for run in operator.runs()}
    assert str(FIRST) in notes
    assert notes == {day: f"The day {day}" for day in notes}


def test_turned_on_then_cleared_a_failed_day_comes_back(turned_on_then_cleared: Operator) -> None:
    assert turned_on_then_cleared.states(FIRST_BAD) == ["success"] * 3
    turned_on_then_cleared.check_order()


def test_cleared_then_turned_on_a_failed_day_comes_back(cleared_then_turned_on: Operator) -> None:
    assert cleared_then_turned_on.states(SECOND_BAD) == ["success"] * 3
    cleared_then_turned_on.check_order()


def test_one_mail_for_each_failure_and_one_when_its_day_is_done_again(
    cleared_then_turned_on: Operator,
) -> None:
    assert cleared_then_turned_on.subjects() == [
        f"{DAG}.etl_load_events failed: {FIRST_BAD}",
        f"{DAG}: {FIRST_BAD} is done, after it had failed",
        f"{DAG}.etl_load_events failed: {SECOND_BAD}",
        f"{DAG}: {SECOND_BAD} is done, after it had failed",
        f"{DAG}.etl_load_events failed: {MARKED}",
    ]


def test_a_failed_day_that_is_marked_as_done_lets_the_next_ones_go_on(caught_up: Operator) -> None:
    assert [caught_up.states(day) for day in DONE] == [["success"] * 3] * len(DONE)
    caught_up.check_order()


def test_a_day_whose_source_is_late_is_told_of(caught_up: Operator) -> None:
    late = f"{DAG}: the events of {NEWEST} are late"
    caught_up.wait(lambda: late in caught_up.subjects(), "the mail of the late day")
    (message,) = (m for m in caught_up.mails.messages if m["subject"] == late)
    body = message.get_body()
    assert body
    missing = SOURCE.day_prefix(NEWEST + timedelta(days=1))
    assert f"s3://{BUCKET}/{missing}" in body.get_content()


def test_while_the_newest_day_waits_earlier_ones_are_done_again(caught_up: Operator) -> None:
    operator = caught_up
    cleared, asked = DAYS[1], DAYS[4]
    operator.clear(cleared)
    operator.wait_until_done(cleared)
    request = operator.ask(run_date=str(asked))
    assert operator.tasks(request)[SENSOR]["state"] == "skipped"
    operator.wait(lambda: operator.loads(asked) == 2, f"{asked} to be loaded again")
    operator.wait_until_done(asked)
    assert operator.loads(cleared) == 2
    assert operator.states(NEWEST) == ["deferred", None, None]
    operator.check_order()


def test_several_failed_days_come_back_whichever_is_cleared_first(caught_up: Operator) -> None:
    operator = caught_up
    days = DAYS[5:8]
    for day in (days[0], days[2]):
        operator.break_day(day)
        operator.clear(day)
        operator.wait_until_failed(day)
    for day in (days[0], days[2]):
        operator.mend_day(day)
    operator.clear(days[2], only_failed=True)
    operator.clear(days[1])
    operator.clear(days[0], only_failed=True)
    operator.wait_until_done(*days)
    operator.check_order()


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (str(FIRST - timedelta(days=1)), "the first day is 2016-02-22"),
        ("9999-12-01", "it is not over yet"),
        (str(NEWEST), "its run is active already"),
        (str(NEWEST + timedelta(days=40)), "has no run yet"),
    ],
)
def test_a_request_that_would_break_the_order_is_refused(caught_up: Operator, asked: str, why: str) -> None:
    request = caught_up.ask(run_date=asked)
    assert caught_up.tasks(request)[SENSOR]["state"] == "failed"
    assert f"{asked} can't be loaded" in caught_up.why(request)
    assert why in caught_up.why(request)


def test_late_data_is_noticed_loaded_and_told_of_while_the_newest_day_waits(caught_up: Operator) -> None:
    operator, day = caught_up, DAYS[6]
    event = {"event_id": "came late", "timestamp": f"{day} 08:00:00", "user_id": 1, "event": "web_login"}
    operator.put(day, "late", json.dumps(event))
    path = "/dags/reload_days/dagRuns"
    operator.change("PATCH", "/dags/reload_days", is_paused=False)
    operator.change("POST", path, logical_date=None, dag_run_id="noticed")
    operator.wait(
        lambda: operator.parts.api.get(f"{path}/noticed")["state"] in {"success", "failed"},
        "the late data to be loaded",
    )
    assert operator.parts.api.get(f"{path}/noticed")["state"] == "success"
    assert "Objects of 1 days had changed: loaded again" in operator.subjects()
    engine = sa.create_engine(operator.parts.environment["ETL_WAREHOUSE_URL"])
    with engine.connect() as connection:
        query = sa.select(user_event.c.run_date).where(user_event.c.id == "came late")
        assert connection.scalars(query).all() == [day]
    engine.dispose()


def test_a_late_day_was_told_of_once_and_still_waits(caught_up: Operator) -> None:
    late = [subject for subject in caught_up.subjects() if "late" in subject]
    assert late == [f"{DAG}: the events of {NEWEST} are late"]
    # Late data of another day may just have woken it, to look once more.
    caught_up.wait(lambda: caught_up.states(NEWEST) == ["deferred", None, None], f"{NEWEST} to wait")
