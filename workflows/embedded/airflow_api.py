"""What a run wants to know of Airflow, from its REST API."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self

import httpx

from embedded.errors import EmbeddedError

DAG = "daily_etls"
TASKS = ("s3_sensor", "etl_load_events", "etl_organization_stats")
PAGE = 100
EARLIEST = "1000-01-01T00:00:00Z"
# SQLite has one writer at a time, so the web server may once in a while refuse.
TRIES = 20
RETRY_SECONDS = 0.3


@dataclass(frozen=True)
class Run:
    """A day's run."""

    run_id: str
    day: date
    state: str


@dataclass(frozen=True)
class Task:
    """A task of a run, at its newest try."""

    task_id: str
    state: str | None
    try_number: int
    start: datetime | None
    end: datetime | None


class AirflowApi:
    """A client of one web server, logged in as the administrator."""

    def __init__(self, url: str, password: str, before_retry: Callable[[], None]) -> None:
        """Connect to nothing yet.

        Args:
            url: the web server's address.
            password: the one of the user ``admin``.
            before_retry: called before a request is tried again; may raise what explains the failure.
        """
        self.url = url
        self._password = password
        self._before_retry = before_retry
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ready(self) -> bool:
        """Log in, and return whether that worked: whether the server is up."""
        try:
            answer = self._http.post("/auth/token", json={"username": "admin", "password": self._password})
        except httpx.TransportError:
            return False
        if answer.is_success:
            self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return answer.is_success

    def import_errors(self) -> list[str]:
        """Return why DAG files could not be read: each one's trace."""
        return [error["stack_trace"] for error in self.get("/importErrors")["import_errors"]]

    def knows_the_dag(self) -> bool:
        """Return whether the DAG has been read."""
        return bool(self.get("/dags", dag_id_pattern=DAG)["dags"])

    def succeeded(self) -> int:
        """Return how many days have succeeded."""
        found: int = self.get(f"/dags/{DAG}/dagRuns", state="success", limit=1)["total_entries"]
        return found

    def current_run(self) -> Run | None:
        """Return the run of the first day that isn't done, or else of the last; None before there is one."""
        open_runs = self.runs(order_by="logical_date", limit=1, state=["queued", "running", "failed"])
        runs = open_runs or self.runs(order_by="-logical_date", limit=1)
        return runs[0] if runs else None

    def all_runs(self) -> list[Run]:
        """Return every day's run, the first day first."""
        found: list[Run] = []
        while page := self.runs(order_by="logical_date", limit=PAGE, offset=len(found)):
            found += page
        return found

    def runs(self, **query: Any) -> list[Run]:
        """Return the runs of days; one that only asks for a day is none.

        Args:
            **query: the API's own filters and order.
        """
        return [
            Run(run["dag_run_id"], datetime.fromisoformat(run["logical_date"]).date(), run["state"])
            for run in self.get(f"/dags/{DAG}/dagRuns", logical_date_gte=EARLIEST, **query)["dag_runs"]
        ]

    def tasks(self, run: Run) -> list[Task]:
        """Return a run's tasks.

        Args:
            run: the run.
        """
        found = self.get(f"/dags/{DAG}/dagRuns/{run.run_id}/taskInstances")["task_instances"]
        return [
            Task(
                task["task_id"],
                task["state"],
                task["try_number"],
                _moment(task["start_date"]),
                _moment(task["end_date"]),
            )
            for task in found
        ]

    def returned(self, run: Run, task_id: str) -> Any:
        """Return what a task returned.

        Args:
            run: the run.
            task_id: the task.
        """
        path = f"/dags/{DAG}/dagRuns/{run.run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        value = self.get(path)["value"]
        return json.loads(value) if isinstance(value, str) else value

    def errors(self, run: Run, task: Task) -> list[str]:
        """Return the errors that stand in a task's log: the last try's exceptions, one line or more each.

        Args:
            run: the run.
            task: the task.
        """
        path = f"/dags/{DAG}/dagRuns/{run.run_id}/taskInstances/{task.task_id}/logs/{task.try_number}"
        lines = [line for line in self.get(path, full_content=True)["content"] if isinstance(line, dict)]
        raised = [error for line in lines for error in line.get("error_detail") or ()]
        if raised:
            return [f"{error['exc_type']}: {error['exc_value']}" for error in raised[:1]]
        return [line["event"] for line in lines if line.get("level") in {"error", "critical"}]

    def get(self, path: str, **query: Any) -> Any:
        """Return an answer of the API.

        Args:
            path: below ``/api/v2``.
            **query: its parameters.

        Raises:
            EmbeddedError: the server fails, again and again.
        """
        for _ in range(TRIES):
            try:
                return self._http.get(f"/api/v2{path}", params=query).raise_for_status().json()
            except httpx.HTTPError as error:
                failure = error
            self._before_retry()
            time.sleep(RETRY_SECONDS)
        raise EmbeddedError(f"Airflow's web server fails: {failure}") from failure

    def change(self, method: str, path: str, **changes: Any) -> None:
        """Change something.

        Args:
            method: ``POST`` or ``PATCH``.
            path: below ``/api/v2``.
            **changes: what is sent, as JSON.

        Raises:
            httpx.HTTPError: the server refused or can't be reached.
        """
        self._http.request(method, f"/api/v2{path}", json=changes).raise_for_status()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
