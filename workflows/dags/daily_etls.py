"""Once a day: wait until the day is complete, load its events, compute the organizations' statistics."""

from airflow.sdk import DAG, Asset, Param
from etl.config import dag_settings, day_after, s3_location
from etl.days import daily, job_payload, midnight, run_date
from etl.event_classes import EVENT_TABLES
from etl.guides import DAILY_ETLS, LOAD_EVENTS, ORGANIZATION_STATS, SENSOR
from etl.mails import Mails
from etl.operators import day_objects, job
from etl.sensor import DaySensor

settings = dag_settings()
source = s3_location()
mails = Mails(settings.alert_emails)

with DAG(
    "daily_etls",
    description="Events from S3 into the warehouse, then statistics per organization",
    doc_md=DAILY_ETLS,
    schedule=daily("0 0 * * *"),
    start_date=midnight(settings.start_date),
    catchup=True,
    max_active_tasks=4,
    # One day is done while the next one waits. More would only wait: days are done in their order.
    max_active_runs=2,
    default_args={
        "retries": 3,
        # A task that was lost with its worker runs again soon, and the third retry is later than an outage of
        # ten minutes is over: at core.default_task_retry_delay = 15 s, after 15, 90 and 540 s at least.
        "retry_exponential_backoff": 6,
        "on_failure_callback": mails.failure_callbacks(),
    },
    params={
        "run_date": Param(
            default=None,
            type=["null", "string"],
            format="date",
            title="Day",
            description="The day (UTC) to load, or to load again; by default the last complete one",
        ),
        "allow_empty": Param(default=False, type="boolean", description="Let a day without any objects pass"),
    },
    user_defined_macros={
        "day_after": day_after,
        "job_payload": job_payload,
        "objects_of": lambda day: day_objects(source, day),
        "run_date": run_date,
    },
    tags=["etl"],
):
    s3_sensor = DaySensor(
        task_id="s3_sensor",
        doc_md=SENSOR,
        source=source,
        first_day=settings.start_date,
        late_after=settings.late_after,
        mails=mails,
        bucket_name=source.bucket,
        bucket_key="{{ objects_of(day_after(run_date(dag_run))) }}",
        poke_interval=10,
    )
    etl_load_events = job(
        "load-events",
        settings.runner,
        settings.start_date,
        doc_md=LOAD_EVENTS,
        outlets=[Asset(table) for table in EVENT_TABLES],
    )
    etl_organization_stats = job(
        "organization-stats",
        settings.runner,
        settings.start_date,
        doc_md=ORGANIZATION_STATS,
        on_success_callback=mails.done_again,
        outlets=[Asset("organization_statistic")],
    )

    s3_sensor >> etl_load_events >> etl_organization_stats
