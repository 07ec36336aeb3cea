"""The DAG's jobs as Lambda functions: the real operator, a small Lambda API, the real handlers."""

import logging
import os
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import pytest
import sqlalchemy as sa
from botocore.exceptions import ReadTimeoutError
from embedded.airflow_api import DAG
from embedded.following import follow
from embedded.pipeline import Pipeline, Plan, pipeline
from embedded.state import clean_state
from etl import operators, warehouse
from etl.config import S3Location
from etl.errors import EtlError

from tests.conftest import Put, add_organization
from tests.integration.airflow_fixtures import LambdaApi, lambda_api, load_dag

# The provider's own affair.
pytestmark = pytest.mark.filterwarnings("ignore:ProvidersManager.hooks is deprecated")

DAY = date(2016, 5, 10)
LINE = b'{"event_id": "a", "timestamp": "2016-05-10 01:02:03", "user_id": 7, "event": "web_login"}\n'


@pytest.fixture
def functions(source: S3Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LambdaApi]:
    url = sa.URL.create("sqlite", database=str(tmp_path / "warehouse.sqlite"))
    warehouse.migrate(url)
    add_organization(url)
    monkeypatch.setenv("ETL_WAREHOUSE_URL", str(url))
    with lambda_api() as api:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", api.url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield api


def run(task_id: str, *, allow_empty: bool = False) -> Any:
    """Run a task as Airflow does: render its templates, execute it."""
    dag = load_dag(ETL_RUNNER="lambda")
    task = dag.get_task(task_id)
    context: Any = {
        "dag": dag,
        "dag_run": Mock(logical_date=datetime(2016, 5, 10, tzinfo=UTC)),
        "params": {"allow_empty": allow_empty},
    }
    task.render_template_fields(context)
    return task.execute(context)


def test_load_and_statistics_run_in_the_functions(
    functions: LambdaApi, put: Put, capfd: pytest.CaptureFixture[str]
) -> None:
    put(DAY, "part-0", LINE)
    assert '"lines": 1' in run("etl_load_events")
    assert '"statistics": 2' in run("etl_organization_stats")
    assert functions.calls == [
        ("etl-load-events", {"runDate": "2016-05-10"}),
        ("etl-organization-stats", {"runDate": "2016-05-10"}),
    ]
    assert "[INFO] 200 " in capfd.readouterr().out


def test_another_code_than_200_fails_the_task_and_its_log_is_shown(
    functions: LambdaApi, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(EtlError, match="etl-load-events answered 500: there are no objects for 2016-05-10"):
        run("etl_load_events")
    assert "[ERROR] 500 there are no objects" in capfd.readouterr().out


def test_an_empty_day_passes_when_asked(functions: LambdaApi) -> None:
    assert '"objects": 0' in run("etl_load_events", allow_empty=True)


def test_a_function_error_fails_the_task_and_its_log_is_shown(
    functions: LambdaApi, capfd: pytest.CaptureFixture[str]
) -> None:
    def out_of_memory(event: Any) -> Any:
        logging.getLogger("etl").error("about to run out of memory")
        raise MemoryError("too much")

    functions.functions["etl-load-events"] = out_of_memory
    with pytest.raises(ValueError, match="too much"):
        run("etl_load_events")
    assert "[ERROR] about to run out of memory" in capfd.readouterr().out


@pytest.mark.parametrize("answer", [None, 200, "fine", {}, {"code": 200}, [{"code": 200}]])
def test_what_is_no_answer_of_a_job_fails_the_task(functions: LambdaApi, answer: Any) -> None:
    functions.functions["etl-load-events"] = lambda _event: answer
    with pytest.raises(EtlError, match="not a code and a message"):
        run("etl_load_events")


def test_a_function_that_takes_too_long_is_not_invoked_again(
    functions: LambdaApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(operators.LAMBDA_CLIENT, "read_timeout", 1)
    functions.functions["etl-load-events"] = lambda _event: time.sleep(2)
    with pytest.raises(ReadTimeoutError):
        run("etl_load_events")
    assert len(functions.calls) == 1


def test_the_client_waits_longer_than_a_function_may_run(functions: LambdaApi) -> None:
    config = load_dag(ETL_RUNNER="lambda").get_task("etl_load_events").hook.conn.meta.config
    assert config.read_timeout > 15 * 60
    assert config.retries["total_max_attempts"] == 1


@pytest.fixture(scope="module")
def through_airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pipeline, LambdaApi]]:
    """A day done by Airflow with the functions, of which the load fails at first."""
    with lambda_api() as api, clean_state(tmp_path_factory.mktemp("embedded")) as state:
        functions = {"ETL_RUNNER": "lambda", "AWS_ENDPOINT_URL_LAMBDA": api.url}
        load = api.functions["etl-load-events"]

        def fails_at_first(event: Any) -> Any:
            if len(api.calls) == 1:
                raise MemoryError("too much")
            return load(event)

        api.functions["etl-load-events"] = fails_at_first
        with (
            pipeline(state, Plan(DAY, 2, settings=functions)) as parts,
            patch.dict(os.environ, parts.environment, clear=True),
        ):
            follow(parts, 1, lambda _: None)
            yield parts, api


def test_airflow_retries_a_function_that_failed(through_airflow: tuple[Pipeline, LambdaApi]) -> None:
    parts, api = through_airflow
    assert api.calls == [
        ("etl-load-events", {"runDate": "2016-05-10"}),
        ("etl-load-events", {"runDate": "2016-05-10"}),
        ("etl-organization-stats", {"runDate": "2016-05-10"}),
    ]
    tasks = {task.task_id: task for task in parts.api.tasks(parts.api.all_runs()[0])}
    assert (tasks["etl_load_events"].state, tasks["etl_load_events"].try_number) == ("success", 2)
    assert parts.etl("stats", "--run-date", DAY.isoformat())


def test_the_tail_of_the_functions_log_is_in_the_tasks_log(
    through_airflow: tuple[Pipeline, LambdaApi],
) -> None:
    parts, _api = through_airflow
    run_id = parts.api.all_runs()[0].run_id
    path = f"/dags/{DAG}/dagRuns/{run_id}/taskInstances/etl_load_events/logs/1"
    lines = [
        line["event"] for line in parts.api.get(path, full_content=True)["content"] if isinstance(line, dict)
    ]
    assert "MemoryError: too much" in lines
