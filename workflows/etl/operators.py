"""What the DAG is made of: the two jobs as tasks, in the worker or as AWS Lambda functions."""

import glob
import json
import logging
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Any

from airflow.providers.amazon.aws.operators.lambda_function import LambdaInvokeFunctionOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import BaseOperator, Context

from etl import mails, order
from etl.config import S3Location, s3_location, warehouse_url
from etl.days import DagRun, run_date
from etl.errors import EtlError
from etl.load_events import load_events
from etl.organization_stats import organization_stats

LAMBDA_TIMEOUT_SECONDS = 15 * 60
LAMBDA_SUCCEEDED = 200
# A second request would run the job a second time while the first still works, so nothing is sent twice.
LAMBDA_CLIENT = {
    "connect_timeout": 10,
    "read_timeout": LAMBDA_TIMEOUT_SECONDS + 30,
    "retries": {"total_max_attempts": 1},
    "tcp_keepalive": True,
}
logger = logging.getLogger(__name__)


def day_objects(source: S3Location, day: date) -> str:
    """Return the wildcard that every object of a day matches, and the marker of its folder does not.

    Args:
        source: where the days lie.
        day: the UTC day.
    """
    return glob.escape(source.day_prefix(day)) + "?*"


def job(name: str, runner: str, first_day: date, **kwargs: Any) -> BaseOperator:
    """Return a job as the task ``etl_NAME``, which keeps the order of days.

    Args:
        name: ``load-events`` or ``organization-stats``.
        runner: ``local`` runs it in the worker, ``lambda`` as the AWS Lambda function ``etl-NAME``.
        first_day: the first day that the DAG loads.
        **kwargs: the operator's own.
    """
    kwargs |= {
        "task_id": f"etl_{name.replace('-', '_')}",
        "pre_execute": partial(_before, first_day=first_day),
        "post_execute": _after,
    }
    if runner == "lambda":
        return LambdaJobOperator(function_name=f"etl-{name}", **kwargs)
    return PythonOperator(python_callable=LOCAL_JOBS[name], show_return_value_in_logs=False, **kwargs)


def _before(context: Context, first_day: date) -> None:
    order.keep_order(context, first_day)
    mails.note_final_try(context)


def _after(context: Context, _result: Any) -> None:
    mails.note_return(context)
    if not context["task"].downstream_task_ids:
        order.wake_next_day(context)


def _load_events(dag_run: DagRun, params: Mapping[str, Any]) -> dict[str, Any]:
    report = load_events(run_date(dag_run), s3_location(), warehouse_url(), allow_empty=params["allow_empty"])
    logger.info(
        "%s: %s lines of %s objects; rows: %s; %s duplicates, %s malformed",
        report.run_date,
        report.lines,
        report.objects,
        ", ".join(f"{rows} {table}" for table, rows in report.rows.items()),
        report.duplicates,
        report.malformed,
    )
    if report.json_arrays:
        logger.warning(
            "%s objects are one JSON array each, not one event a line, such as %s",
            report.json_arrays,
            report.first_json_array,
        )
    return report.as_dict()


def _organization_stats(dag_run: DagRun) -> dict[str, Any]:
    report = organization_stats(run_date(dag_run), warehouse_url())
    logger.info(
        "%s: %s statistics of %s organizations", report.run_date, report.statistics, report.organizations
    )
    return report.as_dict()


LOCAL_JOBS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "load-events": _load_events,
    "organization-stats": _organization_stats,
}


class LambdaJobOperator(LambdaInvokeFunctionOperator):
    """Invokes a job's Lambda function, shows the tail of its log, and fails unless its answer is 200.

    Args:
        function_name: the function.
        **kwargs: the operator's own.
    """

    def __init__(self, *, function_name: str, **kwargs: Any) -> None:
        super().__init__(
            function_name=function_name,
            payload="{{ job_payload(dag_run, params) }}",
            log_type="Tail",
            keep_empty_log_lines=False,
            botocore_config=LAMBDA_CLIENT,
            **kwargs,
        )

    def execute(self, context: Context) -> str:
        """Run the function and wait for it.

        Args:
            context: the task's context.

        Returns:
            The message of the answer.

        Raises:
            EtlError: the answer's code is not 200, or it is no answer of a job.
            ValueError: the function raised, ran out of time or memory, or was not run.
        """
        text = super().execute(context)
        try:
            answer = json.loads(text)
            code, message = answer["code"], answer["message"]
        except (ValueError, TypeError, KeyError):
            raise EtlError(f"{self.function_name} answered {text!r}, not a code and a message") from None
        if code != LAMBDA_SUCCEEDED:
            raise EtlError(f"{self.function_name} answered {code}: {message}")
        return str(message)
