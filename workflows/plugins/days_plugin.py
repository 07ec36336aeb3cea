"""Notes on each run which day it is for: Airflow names runs by when they may start, a day later."""

import sys
from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin
from etl.days import is_of_one_day, note, run_date

DAG = "daily_etls"


@hookimpl
def on_dag_run_running(dag_run: Any) -> None:
    """Write the note, in the scheduler's own transaction, unless somebody has written another."""
    if dag_run.dag_id == DAG and is_of_one_day(dag_run) and not dag_run.note:
        dag_run.note = note(run_date(dag_run))


class DaysPlugin(AirflowPlugin):
    """Listens to the scheduler."""

    name = "days"
    listeners = [sys.modules[__name__]]  # noqa: RUF012 - Airflow's name and type
