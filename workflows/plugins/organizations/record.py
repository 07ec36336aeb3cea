"""What Airflow's own record says of the pipeline's days."""

from datetime import date

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from etl.order import GAVE_BACK, LOAD, STATISTICS
from sqlalchemy import select

DAG_ID = "daily_etls"


def failed_days() -> frozenset[date]:
    """Return the days of which a job has failed for good: those that only wait look failed, too."""
    gave_back = select(XComModel.key).where(
        XComModel.dag_id == TaskInstance.dag_id,
        XComModel.task_id == TaskInstance.task_id,
        XComModel.run_id == TaskInstance.run_id,
        XComModel.key == GAVE_BACK,
    )
    query = (
        select(DagRun.logical_date)
        .join(TaskInstance, (TaskInstance.dag_id == DagRun.dag_id) & (TaskInstance.run_id == DagRun.run_id))
        .where(
            TaskInstance.dag_id == DAG_ID,
            TaskInstance.task_id.in_((LOAD, STATISTICS)),
            TaskInstance.state == TaskInstanceState.FAILED,
            ~gave_back.exists(),
        )
    )
    with create_session() as session:
        return frozenset(found.date() for found in session.scalars(query) if found)
