"""What the tasks import, for the process that forks them: none has to import it again.

Airflow reads the DAG's file anew for each task; with its imports there already, that takes hundredths of a
second. `[celery] extra_celery_config` names it to Celery's workers.
"""

import gc
import importlib
from contextlib import suppress

from etl import storage
from etl.errors import ConfigError

MODULES = (
    "airflow.dag_processing.dagbag",
    "airflow.providers.amazon.aws.hooks.s3",
    "airflow.providers.smtp.hooks.smtp",
    "airflow.sdk.definitions.timetables.trigger",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "boto3",
    "etl.guides",
    "etl.operators",
    "etl.reload_task",
    "etl.sensor",
    "etl.weekly_mail",
)

for module in MODULES:
    importlib.import_module(module)
# What the first client reads is there for all that follow. A task says what is wrong with its variables.
with suppress(ConfigError):
    storage.client()
# What processes share stays shared: looking for garbage in it would write to it.
gc.freeze()
