"""Every Monday: the organizations that need a call, to the account managers."""

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, CronTriggerTimetable, get_current_context
from etl.config import dag_settings, warehouse_url
from etl.days import midnight
from etl.mails import Mails
from etl.weekly_mail import weekly_mail

settings = dag_settings()

# Somebody must want it, and AWS Lambda's warehouse is out of a worker's reach.
if settings.weekly_emails and settings.runner == "local":
    with DAG(
        "weekly_mail",
        description="The organizations that need a call, by mail",
        schedule=CronTriggerTimetable("0 6 * * MON", timezone="UTC"),
        start_date=midnight(settings.start_date),
        catchup=False,
        max_active_runs=1,
        default_args={"retries": 3, "on_failure_callback": Mails(settings.alert_emails).failure_callbacks()},
        tags=["etl"],
    ):
        PythonOperator(
            task_id="weekly_mail",
            python_callable=lambda: weekly_mail(
                get_current_context(), warehouse_url(), settings.weekly_emails
            ),
            show_return_value_in_logs=False,
        )
