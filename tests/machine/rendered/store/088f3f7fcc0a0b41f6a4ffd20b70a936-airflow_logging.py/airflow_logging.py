# What Airflow finds by `[logging] logging_config_class`, and not part of a package.
# ruff: noqa: INP001
"""Airflow's own configuration of logging, in processes whose output is as ``airflow_journal`` says.

Those that it starts anew, such as the web server's further ones, don't come by there.
"""

from typing import Any

import airflow_journal
from airflow.config_templates.airflow_local_settings import (
    DEFAULT_LOGGING_CONFIG,
    DEFAULT_REMOTE_CONN_ID,
    REMOTE_TASK_LOG,
)

__all__ = ["DEFAULT_REMOTE_CONN_ID", "LOGGING_CONFIG", "REMOTE_TASK_LOG"]

# Its records come by the root logger, too; by a handler of its own they come as they are, to stderr.
FAB = {"flask_appbuilder": {**DEFAULT_LOGGING_CONFIG["loggers"]["flask_appbuilder"], "handlers": []}}
LOGGING_CONFIG: dict[str, Any] = {
    **DEFAULT_LOGGING_CONFIG,
    "loggers": {**DEFAULT_LOGGING_CONFIG["loggers"], **FAB},
}

airflow_journal.install()
