"""The whole pipeline through real Airflow, told in order: three good days, a wait, a bad day, its repair.

What happened is asserted from Airflow's own record.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa
from embedded.airflow_api import DAG, Run, Task
from embedded.errors import EmbeddedError
from embedded.following import follow
from embedded.pipeline import Pipeline, Plan, pipeline
from embedded.report import collect
from embedded.settings import BUCKET, PREFIX
from embedded.state import clean_state
from etl import tables
from etl.config import S3Location

from tests.integration.airflow_fixtures import Mailbox, mailbox, until
from tests.integration.operator_of_days import s3_of

FIRST = date(2016, 2, 27)
GOOD_DAYS = 3
WAITING_DAY = FIRST + timedelta(days=GOOD_DAYS)
BAD_DAY = WAITING_DAY + timedelta(days=1)
AFTERWARDS = BAD_DAY + timedelta(days=1)
SOURCE = S3Location(BUCKET, PREFIX)
JOBS = ("etl_load_events", "etl_organization_stats")


@pytest.fixture(scope="module")
def mails() -> Iterator[Mailbox]:
    with mailbox(Mailbox()) as box:
        yield box


@pytest.fixture(scope="module")
def parts(mails: Mailbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A pipeline with the sample days up to the waiting one."""
    settings = {
        "ETL_ALERT_EMAILS": "ops@example.com,data@example.com",
        "AIRFLOW_CONN_SMTP_DEFAULT": mails.connection,
    }
    with (
        clean_state(tmp_path_factory.mktemp("embedded")) as state,
        pipeline(state, Plan(FIRST, GOOD_DAYS + 1, settings=settings)) as started,
    ):
        yield started


@dataclass
class Story:
    """The pipeline, and what the tests do to it."""

    parts: Pipeline
    mails: Mailbox

    @property
    def s3(self) -> Any:
        return s3_of(self.parts)

    def put(self, day: date, event_id: str) -> None:
        line = (
            f'{{"event_id": "{event_id}", "timestamp": "{day} 00:00:00", "user_id": 1, "event": "web_login"}}'
        )
        self.s3.put_object(Bucket=BUCKET, Key=f"{SOURCE.day_prefix(day)}part-0", Body=line.encode())

    def day(self, day: date) -> Run | None:
        return next((run for run in self.parts.api.all_runs() if run.day == day), None)

    def tasks(self, day: date) -> dict[str, Task]:
        run = self.day(day)
        return {task.task_id: task for task in self.parts.api.tasks(run)} if run else {}

    def reached(self, day: date, state: str) -> bool:
        self.parts.processes.check()
        run = self.day(day)
        return run is not None and run.state == state


@pytest.fixture(scope="module")
def good_days(parts: Pipeline, mails: Mailbox) -> Story:
    follow(parts, GOOD_DAYS, lambda _: None)
    return Story(parts, mails)


@pytest.fixture(scope="module")
def waiting(good_days: Story) -> Story:
    def watched() -> bool:
        sensor = good_days.tasks(WAITING_DAY).get("s3_sensor")
        if sensor is None or sensor.state != "deferred":
            return False
        run = good_days.day(WAITING_DAY)
        assert run
        path = f"/dags/{DAG}/dagRuns/{run.run_id}/taskInstances/s3_sensor"
        return good_days.parts.api.get(path)["triggerer_job"] is not None

    until(watched, "the sensor to be deferred, and a triggerer to watch for it")
    return good_days


@pytest.fixture(scope="module")
def arrived(waiting: Story) -> Story:
    # The day after next has come, and the next one has no objects when its own turn comes.
    waiting.put(BAD_DAY, "late")
    until(lambda: waiting.reached(WAITING_DAY, "success"), "the waiting day to succeed")
    return waiting


@pytest.fixture(scope="module")
def failed(arrived: Story) -> Story:
    arrived.s3.delete_object(Bucket=BUCKET, Key=f"{SOURCE.day_prefix(BAD_DAY)}part-0")
    arrived.put(AFTERWARDS, "afterwards")
    until(lambda: arrived.reached(BAD_DAY, "failed"), "the bad day to fail")
    return arrived


@pytest.fixture(scope="module")
def mended(failed: Story) -> Story:
    run = failed.day(BAD_DAY)
    assert run
    failed.put(BAD_DAY, "late")
    failed.put(AFTERWARDS + timedelta(days=1), "the sign for the day afterwards")
    api = failed.parts.api
    api.change(
        "POST", f"/dags/{DAG}/clearTaskInstances", dag_run_id=run.run_id, only_failed=True, dry_run=False
    )
    until(lambda: failed.reached(AFTERWARDS, "success"), "the day after the mended one to succeed")
    return failed


def test_on_every_day_load_starts_after_the_sensor_and_statistics_after_the_load(good_days: Story) -> None:
    for number in range(GOOD_DAYS):
        tasks = good_days.tasks(FIRST + timedelta(days=number))
        sensor, load, statistics = (tasks[name] for name in ("s3_sensor", *JOBS))
        assert {task.state for task in tasks.values()} == {"success"}
        assert sensor.end and load.start and load.end and statistics.start  # noqa: PT018
        assert sensor.end <= load.start
        assert load.end <= statistics.start


def test_the_jobs_of_a_day_start_after_those_of_the_day_before_are_done(good_days: Story) -> None:
    days = [good_days.tasks(FIRST + timedelta(days=number)) for number in range(GOOD_DAYS)]
    for before, after in pairwise(days):
        ended, started = before["etl_organization_stats"].end, after["etl_load_events"].start
        assert ended and started  # noqa: PT018
        assert ended <= started


def test_what_the_tasks_report_is_what_stands_in_the_warehouse(good_days: Story) -> None:
    report = collect(good_days.parts, GOOD_DAYS, 1)
    assert [day["run_date"] for day in report.days] == ["2016-02-27", "2016-02-28", "2016-02-29"]
    engine = sa.create_engine(good_days.parts.environment["ETL_WAREHOUSE_URL"])
    with engine.connect() as connection:
        for name in report.days[0]["rows"]:
            rows = connection.scalar(sa.select(sa.func.count()).select_from(tables.metadata.tables[name]))
            of_days = sum(day["rows"][name] for day in report.days)
            # The same junk may come on two days, and is one row then.
            assert bool(rows) == bool(of_days)
            assert (rows or 0) <= of_days
        days = connection.scalars(sa.select(tables.organization_statistic.c.day).distinct()).all()
    engine.dispose()
    assert sorted(days) == [FIRST + timedelta(days=number) for number in range(GOOD_DAYS)]
    assert report.statistics


def test_a_sensor_waits_without_a_slot(waiting: Story) -> None:
    tasks = waiting.tasks(WAITING_DAY)
    assert [tasks[name].state for name in ("s3_sensor", *JOBS)] == ["deferred", None, None]
    (pool,) = waiting.parts.api.get("/pools")["pools"]
    assert (pool["running_slots"], pool["queued_slots"]) == (0, 0)


def test_the_next_days_first_object_ends_the_wait(arrived: Story) -> None:
    assert {task.state for task in arrived.tasks(WAITING_DAY).values()} == {"success"}


def test_a_load_that_fails_is_tried_four_times_and_statistics_never_start(failed: Story) -> None:
    tasks = failed.tasks(BAD_DAY)
    assert (tasks["etl_load_events"].state, tasks["etl_load_events"].try_number) == ("failed", 4)
    statistics = tasks["etl_organization_stats"]
    assert (statistics.state, statistics.try_number) == ("upstream_failed", 0)


def test_the_run_tells_the_tasks_own_error(failed: Story) -> None:
    with pytest.raises(EmbeddedError) as told:
        follow(failed.parts, GOOD_DAYS + 2, lambda _: None)
    assert f"{BAD_DAY} failed in etl_load_events, after 4 tries" in str(told.value)
    assert f"there are no objects for {BAD_DAY} under s3://" in str(told.value)


def test_one_mail_goes_out_and_none_for_the_retries(failed: Story) -> None:
    (message,) = until(lambda: failed.mails.messages, "the mail", seconds=10)
    assert message["subject"] == f"daily_etls.etl_load_events failed: {BAD_DAY}"
    assert {address.strip() for address in message["to"].split(",")} == {
        "ops@example.com",
        "data@example.com",
    }


def test_the_next_days_wait(failed: Story) -> None:
    def states() -> list[str | None]:
        tasks = failed.tasks(AFTERWARDS)
        return [tasks[name].state for name in ("s3_sensor", *JOBS) if tasks]

    until(lambda: states() == ["deferred", None, None], "the next day to wait")


def test_a_day_that_was_mended_lets_the_next_ones_go_on(mended: Story) -> None:
    assert {task.state for task in mended.tasks(BAD_DAY).values()} == {"success"}
    assert {task.state for task in mended.tasks(AFTERWARDS).values()} == {"success"}


def test_one_mail_tells_that_the_day_is_done_after_it_had_failed(mended: Story) -> None:
    subjects = [str(message["subject"]) for message in mended.mails.messages]
    assert subjects[1:] == [f"daily_etls: {BAD_DAY} is done, after it had failed"]
