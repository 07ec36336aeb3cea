"""Once a day: wait until the day is complete, load its events, compute the organizations' statistics."""

from datetime import UTC, datetime, time, timedelta

from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor
from airflow.sdk import DAG, Param
from airflow.timetables.interval import CronDataIntervalTimetable
from etl.config import dag_settings, day_after, s3_location
from etl.operators import day_objects, failure_mail, job, job_payload, run_date

settings = dag_settings()
source = s3_location()

with DAG(
    "daily_etls",
    description="Events from S3 into the warehouse, then statistics per organization",
    schedule=CronDataIntervalTimetable("0 0 * * *", "UTC"),
    start_date=datetime.combine(settings.start_date, time(), UTC),
    catchup=True,
    max_active_tasks=4,
    # One day at a time. A day that fails pauses the DAG: were the next one's run created, it would wait in
    # the only active place, and the failed day could never get back in once its cause is mended.
    max_active_runs=1,
    max_consecutive_failed_dag_runs=1,
    default_args={
        "depends_on_past": True,
        "wait_for_downstream": True,
        "retries": 3,
        # A task that was lost with its worker runs again soon, and the third retry is later than an outage of
        # ten minutes is over: at core.default_task_retry_delay = 15 s, after 15, 90 and 540 s at least.
        "retry_exponential_backoff": 6,
        "on_failure_callback": failure_mail(settings.alert_emails),
    },
    params={
        "allow_empty": Param(default=False, type="boolean", description="Let a day without any objects pass")
    },
    user_defined_macros={
        "day_after": day_after,
        "job_payload": job_payload,
        "objects_of": lambda day: day_objects(source, day),
        "run_date": run_date,
    },
    tags=["etl"],
):
    s3_sensor = S3KeySensor(
        task_id="s3_sensor",
        doc_md="An object of the next day is the sign that the run's day is complete.",
        bucket_name=source.bucket,
        bucket_key="{{ objects_of(day_after(run_date(dag_run))) }}",
        wildcard_match=True,
        deferrable=True,
        poke_interval=10,
        # Each of the four tries waits so long, and then the mail goes out.
        timeout=timedelta(hours=12),
    )
    etl_load_events = job("load-events", settings.runner)
    etl_organization_stats = job("organization-stats", settings.runner)

    s3_sensor >> etl_load_events >> etl_organization_stats
