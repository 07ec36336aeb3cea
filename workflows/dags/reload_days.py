"""Days that are loaded again: those that somebody asks for, and every hour those whose objects changed."""

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, Asset, CronTriggerTimetable, Param, get_current_context
from etl.config import dag_settings
from etl.days import midnight
from etl.event_classes import EVENT_TABLES
from etl.guides import RELOAD_DAYS
from etl.mails import Mails
from etl.reload_task import reload_days

settings = dag_settings()
mails = Mails(settings.alert_emails)


def day(title: str, description: str) -> Param:
    """Return a parameter that the page asks for by a calendar."""
    return Param(None, title=title, description=description, type=["null", "string"], format="date")


# AWS Lambda's warehouse is out of a worker's reach.
if settings.runner == "local":
    with DAG(
        "reload_days",
        description="Days loaded again, with the statistics that they touch",
        doc_md=RELOAD_DAYS,
        schedule=CronTriggerTimetable("20 * * * *", timezone="UTC"),
        start_date=midnight(settings.start_date),
        catchup=False,
        max_active_runs=1,
        default_args={"retries": 3, "on_failure_callback": mails.failure_callbacks()},
        params={
            "from": day("First day", "By default, the days whose objects changed"),
            "to": day("Last day", "By default, the first day alone"),
        },
        tags=["etl"],
    ):
        PythonOperator(
            task_id="reload_days",
            doc_md=RELOAD_DAYS,
            python_callable=lambda: reload_days(get_current_context(), mails),
            show_return_value_in_logs=False,
            outlets=[Asset(table) for table in (*EVENT_TABLES, "organization_statistic")],
        )
