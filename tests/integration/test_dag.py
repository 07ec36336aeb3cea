"""The DAG's structure, and what its templates make of a run."""

import json
from datetime import UTC, date, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import jinja2
import pytest
import sqlalchemy as sa
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import timezone
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable
from etl import warehouse
from etl.config import S3Location
from etl.days import daily, job_payload, run_date
from etl.errors import ConfigError, EtlError
from etl.operators import LambdaJobOperator, day_objects

from tests.integration.airflow_fixtures import DAG_FILE, load_dag, settings

TASKS = ("s3_sensor", "etl_load_events", "etl_organization_stats")


@pytest.fixture(scope="module")
def dag() -> Any:
    return load_dag()


def a_run(logical_date: datetime | None, run_after: datetime = datetime(2016, 5, 12, 9, tzinfo=UTC)) -> Any:
    return Mock(logical_date=logical_date, run_after=run_after)


def test_three_tasks_one_after_the_other(dag: Any) -> None:
    assert dag.dag_id == "daily_etls"
    assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == {
        "s3_sensor": {"etl_load_events"},
        "etl_load_events": {"etl_organization_stats"},
        "etl_organization_stats": set(),
    }
    assert tuple(task.task_id for task in dag.topological_sort()) == TASKS


def test_a_day_runs_once_it_is_over_and_days_since_the_start_are_caught_up(dag: Any) -> None:
    assert dag.catchup
    assert dag.start_date == datetime(2016, 2, 22, tzinfo=UTC)
    assert isinstance(dag.timetable, CronDataIntervalTimetable)
    restriction = TimeRestriction(timezone.coerce_datetime(dag.start_date), None, catchup=True)
    first = dag.timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
    assert first is not None
    assert first.logical_date == datetime(2016, 2, 22, tzinfo=UTC)
    assert first.run_after == datetime(2016, 2, 23, tzinfo=UTC)


def test_few_days_and_four_tasks_at_most_and_no_failure_pauses_the_dag(dag: Any) -> None:
    assert (dag.max_active_tasks, dag.max_active_runs) == (4, 2)
    assert not dag.max_consecutive_failed_dag_runs


@pytest.mark.parametrize("schedule", ["0 * * * *", "0 1 * * *", "@hourly", "@weekly", "0 0 * * 1"])
def test_a_schedule_that_is_not_daily_is_refused(schedule: str) -> None:
    with pytest.raises(ConfigError, match="is not daily"):
        daily(schedule)


@pytest.mark.parametrize("task_id", TASKS)
def test_a_task_is_retried_three_times(dag: Any, task_id: str) -> None:
    assert dag.get_task(task_id).retries == 3


def test_the_page_tells_an_operator_what_to_do_and_which_tables_are_made(dag: Any) -> None:
    assert all(text.strip() for text in (dag.doc_md, *(dag.get_task(task_id).doc_md for task_id in TASKS)))
    made = [{asset.name for asset in dag.get_task(task_id).outlets} for task_id in TASKS]
    events = {"user_event", "organization_payment", "organization_event", "unknown_event"}
    assert made == [set(), events, {"organization_statistic"}]


def test_the_trigger_form_asks_for_a_day(dag: Any) -> None:
    schema = dag.params.get_param("run_date").schema
    assert (schema["type"], schema["format"]) == (["null", "string"], "date")


def test_the_sensor_holds_no_slot_while_it_waits(dag: Any) -> None:
    assert dag.get_task("s3_sensor").deferrable


@pytest.mark.parametrize("task_id", TASKS)
def test_mail_goes_to_the_list_on_failure_and_not_on_retry(task_id: str) -> None:
    task = load_dag(ETL_ALERT_EMAILS="ops@example.com, data@example.com").get_task(task_id)
    (notifier,) = task.on_failure_callback
    assert notifier.to == ["ops@example.com", "data@example.com"]
    assert not task.on_retry_callback


@pytest.mark.parametrize("task_id", TASKS)
def test_no_list_is_no_mail(dag: Any, task_id: str) -> None:
    assert not dag.get_task(task_id).on_failure_callback


@pytest.mark.parametrize("runner", ["local", "lambda"])
def test_the_runner_changes_no_task_id(runner: str) -> None:
    assert tuple(task.task_id for task in load_dag(ETL_RUNNER=runner).topological_sort()) == TASKS


def test_the_lambda_runner_invokes_the_two_functions() -> None:
    lambda_dag = load_dag(ETL_RUNNER="lambda")
    jobs = [lambda_dag.get_task(task_id) for task_id in TASKS[1:]]
    assert all(isinstance(job, LambdaJobOperator) for job in jobs)
    assert [job.function_name for job in jobs] == ["etl-load-events", "etl-organization-stats"]


def test_the_sensor_looks_for_an_object_of_the_next_day(dag: Any) -> None:
    sensor = dag.get_task("s3_sensor")
    sensor.render_template_fields({"dag": dag, "dag_run": a_run(datetime(2016, 2, 29, tzinfo=UTC))})
    assert sensor.bucket_name == "events"
    assert fnmatch("prod/events/2016/03/01/part-0.jsonl", sensor.bucket_key)
    assert not fnmatch("prod/events/2016/03/01/", sensor.bucket_key)
    assert not fnmatch("prod/events/2016/03/02/part-0.jsonl", sensor.bucket_key)


def test_a_prefix_with_wildcard_characters_means_itself() -> None:
    pattern = day_objects(S3Location("events", "a[b]*c?"), date(2016, 3, 1))
    assert fnmatch("a[b]*c?/2016/03/01/x", pattern)
    assert not fnmatch("abXcX/2016/03/01/x", pattern)


@pytest.mark.parametrize(
    ("run", "day"),
    [
        (a_run(datetime(2016, 5, 10, tzinfo=UTC)), date(2016, 5, 10)),
        (a_run(datetime.fromisoformat("2016-05-10T23:30:00-05:00")), date(2016, 5, 11)),
        (a_run(None), date(2016, 5, 11)),
    ],
    ids=["its logical date", "in UTC", "without one, the day before it was triggered"],
)
def test_the_run_date_is(run: Any, day: date) -> None:
    assert run_date(run) == day


def test_lambda_is_told_the_run_date_and_only_when_asked_to_allow_an_empty_day() -> None:
    run = a_run(datetime(2016, 5, 10, tzinfo=UTC))
    assert json.loads(job_payload(run, {"allow_empty": False})) == {"runDate": "2016-05-10"}
    assert json.loads(job_payload(run, {"allow_empty": True})) == {
        "runDate": "2016-05-10",
        "allowEmpty": True,
    }


def test_an_empty_day_passes_in_the_worker_when_asked(
    source: S3Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = sa.URL.create("sqlite", database=str(tmp_path / "warehouse.sqlite"))
    warehouse.migrate(url)
    monkeypatch.setenv("ETL_WAREHOUSE_URL", str(url))
    run = a_run(datetime(2016, 5, 10, tzinfo=UTC))
    load = load_dag().get_task("etl_load_events").python_callable
    with pytest.raises(EtlError, match="there are no objects for 2016-05-10"):
        load(run, {"allow_empty": False})
    assert load(run, {"allow_empty": True})["objects"] == 0


@pytest.mark.parametrize("runner", ["local", "lambda"])
def test_the_scheduler_can_store_the_dag(runner: str) -> None:
    dag = load_dag(ETL_RUNNER=runner, ETL_ALERT_EMAILS="ops@example.com")
    stored = json.dumps(DagSerialization.to_dict(dag))
    assert all(task_id in stored for task_id in TASKS)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("ETL_S3_BUCKET", ""),
        ("ETL_START_DATE", ""),
        ("ETL_START_DATE", "2016-02-30"),
        ("ETL_RUNNER", "kubernetes"),
        ("ETL_ALERT_EMAILS", "nobody"),
        ("ETL_LATE_AFTER", "noon"),
    ],
)
def test_a_bad_setting_is_an_import_error_that_names_it(setting: str, value: str) -> None:
    with settings(**{setting: value}):
        errors = DagBag(dag_folder=DAG_FILE).import_errors
    (error,) = errors.values()
    assert setting in error.strip().splitlines()[-1]


def test_the_mail_names_task_day_and_error() -> None:
    dag = load_dag(ETL_ALERT_EMAILS="ops@example.com")
    subject, body = mail(
        dag, dag_run=a_run(datetime(2016, 5, 10, tzinfo=UTC)), exception=ValueError("no <objects>")
    )
    assert subject == "daily_etls.etl_load_events failed: 2016-05-10"
    assert "no &lt;objects&gt;" in body


def test_the_mail_of_a_lost_worker_knows_neither_run_nor_error() -> None:
    subject, body = mail(load_dag(ETL_ALERT_EMAILS="ops@example.com"))
    assert subject == "daily_etls.etl_load_events failed: scheduled__2016-05-11"
    assert "No error was recorded: the task or its worker was killed" in body


def mail(dag: Any, **context: Any) -> tuple[str, str]:
    (notifier,) = dag.get_task("etl_load_events").on_failure_callback
    environment = dag.get_template_env()
    assert environment.undefined is jinja2.StrictUndefined
    task_instance = Mock(dag_id=dag.dag_id, task_id="etl_load_events", try_number=4, log_url="http://log")
    notifier.render_template_fields(
        {"dag": dag, "ti": task_instance, "run_id": "scheduled__2016-05-11"} | context
    )
    return notifier.subject, notifier.html_content
