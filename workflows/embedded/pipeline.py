"""The parts of a run, started in the right order."""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from embedded.airflow_api import AirflowApi
from embedded.errors import EmbeddedError
from embedded.processes import Processes
from embedded.s3_api import s3_api
from embedded.settings import LOCALHOST, environment, free_port
from embedded.state import State

BIN = Path(sys.executable).parent
START_SECONDS = 120
POLL_SECONDS = 0.2
EVENTS_PER_DAY = 500
SEED = 1


@dataclass(frozen=True)
class Plan:
    """What to bring up: sample days from a first one (UTC), which is also the first that the DAG loads."""

    first_day: date
    sample_days: int
    # Taken if it is free; 0 for any port.
    web_port: int = 0
    # In place of the usual settings.
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pipeline:
    """A pipeline that is up."""

    state: State
    environment: Mapping[str, str]
    processes: Processes
    api: AirflowApi
    password: str

    def etl(self, *arguments: str) -> Any:
        """Run the command `etl`, and return the JSON that it prints.

        Args:
            *arguments: its arguments, without ``--json``.

        Raises:
            EmbeddedError: it failed; the message is its own.
        """
        return _etl(self.environment, *arguments)


@contextmanager
def pipeline(state: State, plan: Plan, on_step: Callable[[str], None] = lambda _: None) -> Iterator[Pipeline]:
    """Bring up an S3 API with sample days, a warehouse, and Airflow; end all of it afterwards.

    Args:
        state: an empty state folder.
        plan: what to bring up.
        on_step: called with what begins.

    Raises:
        EmbeddedError: a part doesn't start.
    """
    password = secrets.token_urlsafe(9)
    (state.airflow / "passwords.json").write_text(json.dumps({"admin": password}))
    with s3_api() as s3_url:
        port = free_port(plan.web_port)
        variables = environment(state, s3_url, port, plan.first_day) | dict(plan.settings)
        with (
            Processes(state.logs, variables) as processes,
            AirflowApi(f"http://{LOCALHOST}:{port}", password, processes.check) as api,
        ):
            on_step("Making the databases and the sample events")
            processes.start("airflow-migrate", _airflow("db", "migrate"))
            _etl(variables, "migrate")
            _etl(variables, "sample-data", "--s3", *_sample(plan))
            processes.finish("airflow-migrate")
            on_step("Starting Airflow, and waiting for its web server (20 to 60 s)")
            processes.start("api-server", _airflow("api-server", "--host", LOCALHOST, "--port", str(port)))
            processes.start("scheduler", _airflow("scheduler", "--skip-serve-logs"))
            processes.start("dag-processor", _airflow("dag-processor"))
            _wait_until_ready(api, processes)
            # What waits in it waits long; the others start sooner without it.
            processes.start("triggerer", _airflow("triggerer", "--skip-serve-logs"))
            yield Pipeline(state, variables, processes, api, password)


def _airflow(*arguments: str) -> list[str]:
    return [str(BIN / "airflow"), *arguments]


def _sample(plan: Plan) -> list[str]:
    days = ["--start", plan.first_day.isoformat(), "--days", str(plan.sample_days)]
    return [*days, "--events-per-day", str(EVENTS_PER_DAY), "--seed", str(SEED)]


def _etl(variables: Mapping[str, str], *arguments: str) -> Any:
    done = subprocess.run(  # noqa: S603 - our own command
        [str(BIN / "etl"), *arguments, "--json"], env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise EmbeddedError(f"etl {arguments[0]} failed: {_said(done.stderr) or done.returncode}")
    return json.loads(done.stdout)


def _said(stderr: str) -> str:
    """Return what a command that failed said, out of the JSON that it is written in."""
    *_, last = stderr.strip().splitlines() or [""]
    try:
        told = json.loads(last)
        return "\n  ".join([told["error"], *told.get("details", ())])
    except (ValueError, KeyError, TypeError):
        return stderr.strip()


def _wait_until_ready(api: AirflowApi, processes: Processes) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not api.ready():
        processes.check()
        if time.monotonic() > deadline:
            raise EmbeddedError(f"Airflow's web server did not answer within {START_SECONDS} s")
        time.sleep(POLL_SECONDS)
