"""Days in their order through real Airflow, whatever an operator does first; told in order.

Sample days are caught up with two bad ones among them, which are mended in either order of actions. Then days
that are done are done again while the newest one waits. The order is asserted from Airflow's record of tries.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import boto3
import httpx
import pytest
from embedded.airflow_api import DAG
from embedded.pipeline import Pipeline, Plan, pipeline
from embedded.settings import BUCKET, PREFIX
from embedded.state import clean_state
from etl.config import S3Location

from tests.integration.airflow_fixtures import Mailbox, mailbox, until

FIRST = date(2016, 2, 22)
# The last of them is the sign that the one before is complete, and waits itself.
DAYS = [FIRST + timedelta(days=number) for number in range(10)]
*DONE, NEWEST = DAYS
FIRST_BAD, SECOND_BAD, MARKED = DAYS[2], DAYS[5], DAYS[8]
SENSOR, *JOBS = TASKS = ("s3_sensor", "etl_load_events", "etl_organization_stats")
SOURCE = S3Location(BUCKET, PREFIX)
# No lines, whatever it is called: the load fails at it.
BROKEN = b"PK\x03\x04" + bytes(60)
SECONDS = 300


@dataclass(frozen=True)
class Try:
    """A try of a job that succeeded."""

    day: date
    task: str
    start: datetime
    end: datetime


@dataclass
class Operator:
    """What an operator sees and does."""

    parts: Pipeline
    mails: Mailbox

    @property
    def s3(self) -> Any:
        names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
        url, key, secret, region = (self.parts.environment[name] for name in names)
        return boto3.client(
            "s3", endpoint_url=url, aws_access_key_id=key, aws_secret_access_key=secret, region_name=region
        )

    def break_day(self, day: date) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=f"{SOURCE.day_prefix(day)}broken", Body=BROKEN)

    def mend_day(self, day: date) -> None:
        self.s3.delete_object(Bucket=BUCKET, Key=f"{SOURCE.day_prefix(day)}broken")

    def runs(self) -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = self.parts.api.get(f"/dags/{DAG}/dagRuns", limit=100)["dag_runs"]
        return runs

    def run_of(self, day: date) -> dict[str, Any] | None:
        return next((run for run in self.runs() if str(run["logical_date"]).startswith(str(day))), None)

    def run_id(self, day: date) -> str:
        run = self.run_of(day)
        assert run, f"no run of {day}"
        return str(run["dag_run_id"])

    def tasks(self, run_id: str) -> dict[str, dict[str, Any]]:
        path = f"/dags/{DAG}/dagRuns/{quote(run_id)}/taskInstances"
        return {task["task_id"]: task for task in self.parts.api.get(path)["task_instances"]}

    def states(self, day: date) -> list[str | None]:
        run = self.run_of(day)
        if run is None:
            return []
        tasks = self.tasks(run["dag_run_id"])
        return [tasks[task]["state"] for task in TASKS]

    def tries(self, day: date, task: str) -> list[dict[str, Any]]:
        path = f"/dags/{DAG}/dagRuns/{quote(self.run_id(day))}/taskInstances/{task}/tries"
        tries: list[dict[str, Any]] = self.parts.api.get(path)["task_instances"]
        return tries

    def loads(self, day: date) -> int:
        return sum(found["state"] == "success" for found in self.tries(day, "etl_load_events"))

    def change(self, method: str, path: str, **changes: Any) -> None:
        """Change something; SQLite has one writer at a time, so the web server may refuse once in a while."""

        def done() -> bool:
            try:
                self.parts.api.change(method, path, **changes)
            except httpx.HTTPStatusError as error:
                if error.response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    raise
                return False
            return True

        self.wait(done, f"{method} {path} to be accepted")

    def clear(self, *days: date, only_failed: bool = False) -> None:
        for day in days:
            self.change(
                "POST",
                f"/dags/{DAG}/clearTaskInstances",
                dag_run_id=self.run_id(day),
                only_failed=only_failed,
                dry_run=False,
            )

    def pause(self, *, is_paused: bool) -> None:
        self.change("PATCH", f"/dags/{DAG}", is_paused=is_paused)

    def ask(self, **conf: Any) -> str:
        """Start a run by hand, and return its id once it has ended."""
        known = {run["dag_run_id"] for run in self.runs()}
        self.change("POST", f"/dags/{DAG}/dagRuns", logical_date=None, conf=conf)
        (run_id,) = {run["dag_run_id"] for run in self.runs() if not run["logical_date"]} - known
        self.wait(lambda: self.ended(run_id), f"the request {run_id} to end")
        return str(run_id)

    def ended(self, run_id: str) -> bool:
        return any(r["dag_run_id"] == run_id and r["state"] in {"success", "failed"} for r in self.runs())

    def why(self, run_id: str) -> str:
        path = f"/dags/{DAG}/dagRuns/{quote(run_id)}/taskInstances/{SENSOR}/logs/1"
        return str(self.parts.api.get(path, full_content=True)["content"])

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        def holds() -> Any:
            self.parts.processes.check()
            return condition()

        until(holds, what, seconds=SECONDS, every=1)

    def wait_until_done(self, *days: date) -> None:
        for day in days:
            self.wait(lambda: self.states(day)[1:] == ["success", "success"], f"{day} to be done")  # noqa: B023

    def wait_until_failed(self, day: date) -> None:
        self.wait(
            lambda: (
                self.states(day)[1:] == ["failed", "upstream_failed"]
                and (run := self.run_of(day))
                and run["state"] == "failed"
            ),
            f"{day} to fail",
        )

    def subjects(self) -> list[str]:
        return [str(message["subject"]) for message in self.mails.messages]

    def jobs(self) -> list[Try]:
        return sorted(
            (
                Try(day, job, *(datetime.fromisoformat(found[name]) for name in ("start_date", "end_date")))
                for day in DONE
                if self.run_of(day)
                for job in JOBS
                for found in self.tries(day, job)
                if found["state"] == "success"
            ),
            key=lambda found: found.start,
        )

    def check_order(self) -> None:
        """No job started before the one before it had succeeded, nor while the day before was being done."""
        jobs = self.jobs()
        assert jobs
        for job in jobs:
            before = job.day - timedelta(days=1)
            needed = {(before, name) for name in JOBS} if job.day > FIRST else set()
            needed |= {(job.day, "etl_load_events")} if job.task == "etl_organization_stats" else set()
            done = {(other.day, other.task) for other in jobs if other.end <= job.start}
            assert needed <= done, f"{job} started before {needed - done}"
            beside = [
                other
                for other in jobs
                if other.day in {before, job.day} and other.start < job.start < other.end
            ]
            assert not beside, f"{job} started while {beside} ran"


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """A pipeline that has stopped at its first bad day."""
    with (
        mailbox(Mailbox()) as mails,
        clean_state(tmp_path_factory.mktemp("embedded")) as state,
        pipeline(
            state,
            Plan(
                FIRST,
                len(DAYS),
                settings={
                    "ETL_ALERT_EMAILS": "ops@example.com",
                    "AIRFLOW_CONN_SMTP_DEFAULT": mails.connection,
                    "ETL_LATE_AFTER": "5s",
                    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
                },
            ),
        ) as parts,
    ):
        until(parts.api.knows_the_dag, "the DAG to be read", seconds=SECONDS)
        operator = Operator(parts, mails)
        operator.break_day(FIRST_BAD)
        operator.break_day(SECOND_BAD)
        operator.break_day(MARKED)
        operator.pause(is_paused=False)
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


def test_a_late_day_was_told_of_once_and_still_waits(caught_up: Operator) -> None:
    late = [subject for subject in caught_up.subjects() if "late" in subject]
    assert late == [f"{DAG}: the events of {NEWEST} are late"]
    assert caught_up.states(NEWEST) == ["deferred", None, None]
