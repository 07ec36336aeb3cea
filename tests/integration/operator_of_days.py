"""What an operator of the embedded pipeline sees and does, and the order of days in Airflow's record."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import httpx
from embedded.airflow_api import DAG
from embedded.pipeline import Pipeline, Plan, pipeline
from embedded.settings import BUCKET, PREFIX
from embedded.state import clean_state
from etl.config import S3Location

from tests.integration.airflow_fixtures import Mailbox, mailbox, until

SENSOR, *JOBS = TASKS = ("s3_sensor", "etl_load_events", "etl_organization_stats")
SOURCE = S3Location(BUCKET, PREFIX)
# No lines, whatever it is called: the load fails at it.
BROKEN = b"PK\x03\x04" + bytes(60)
SECONDS = 300


def s3_of(parts: Pipeline) -> Any:
    """Return a client of a pipeline's S3."""
    names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
    url, key, secret, region = (parts.environment[name] for name in names)
    return boto3.client(
        "s3", endpoint_url=url, aws_access_key_id=key, aws_secret_access_key=secret, region_name=region
    )


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
    # The days that are done, in their order, once all is well.
    days: Sequence[date]

    @property
    def s3(self) -> Any:
        return s3_of(self.parts)

    def break_day(self, day: date) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=f"{SOURCE.day_prefix(day)}broken", Body=BROKEN)

    def put(self, day: date, name: str, line: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=f"{SOURCE.day_prefix(day)}{name}", Body=line.encode())

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
                if error.response.status_code not in (500, 503):
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
                for day in self.days
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
            needed = {(before, name) for name in JOBS} if job.day > self.days[0] else set()
            needed |= {(job.day, "etl_load_events")} if job.task == "etl_organization_stats" else set()
            done = {(other.day, other.task) for other in jobs if other.end <= job.start}
            assert needed <= done, f"{job} started before {needed - done}"
            beside = [
                other
                for other in jobs
                if other.day in {before, job.day} and other.start < job.start < other.end
            ]
            assert not beside, f"{job} started while {beside} ran"


@contextmanager
def operated(folder: Path, days: Sequence[date], *bad: date, **settings: str) -> Iterator[Operator]:
    """Start a pipeline over days of which some are broken, the DAG turned on.

    Args:
        folder: an empty one, for all that is written.
        days: the days; the last of them is the sign that the one before is complete, and waits itself.
        *bad: those that are broken.
        **settings: in place of the usual ones.
    """
    with (
        mailbox(Mailbox()) as mails,
        clean_state(folder) as state,
        pipeline(
            state,
            Plan(
                days[0],
                len(days),
                settings={
                    "ETL_ALERT_EMAILS": "ops@example.com",
                    "AIRFLOW_CONN_SMTP_DEFAULT": mails.connection,
                    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
                }
                | settings,
            ),
        ) as parts,
    ):
        until(parts.api.knows_the_dag, "the DAG to be read", seconds=SECONDS)
        operator = Operator(parts, mails, days[:-1])
        for day in bad:
            operator.break_day(day)
        operator.pause(is_paused=False)
        yield operator
