"""The settings that the parts of a run share: an environment in which nothing of the caller's leaks in."""

import os
import secrets
import socket
from datetime import date
from pathlib import Path

from embedded.state import State

BUCKET = "events"
PREFIX = "sample"
DAGS = Path(__file__).parent.parent / "dags"
PLUGINS = DAGS.parent / "plugins"
LOCALHOST = "127.0.0.1"
FOREIGN = ("AIRFLOW", "AWS_", "ETL_", "PYTHONWARNINGS", "PYTHONPATH")


def free_port(preferred: int = 0) -> int:
    """Return a port that nobody listens on.

    Args:
        preferred: the port to take if it is free; 0 for any.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCALHOST, preferred))
        except OSError:
            probe.bind((LOCALHOST, 0))
        port: int = probe.getsockname()[1]
        return port


def environment(state: State, s3_url: str, web_port: int, first_day: date) -> dict[str, str]:
    """Return the environment for all processes of a run.

    Args:
        state: the state folder.
        s3_url: the S3 API.
        web_port: the port of Airflow's web server.
        first_day: the first day to load (UTC).
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return kept | _machine() | _jobs(state, s3_url, first_day) | _airflow(state, web_port)


def _machine() -> dict[str, str]:
    return {
        # Everything is on this machine; a proxy would only be in the way.
        "NO_PROXY": f"{LOCALHOST},localhost",
        "no_proxy": f"{LOCALHOST},localhost",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
    }


def _jobs(state: State, s3_url: str, first_day: date) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": s3_url,
        "AWS_ACCESS_KEY_ID": "embedded",
        "AWS_SECRET_ACCESS_KEY": "embedded",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        # No file of the caller's says otherwise.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "ETL_WAREHOUSE_URL": f"sqlite:///{state.warehouse}",
        "ETL_S3_BUCKET": BUCKET,
        "ETL_S3_PREFIX": PREFIX,
        "ETL_RUNNER": "local",
        "ETL_START_DATE": first_day.isoformat(),
    }


def _airflow(state: State, web_port: int) -> dict[str, str]:
    web = f"http://{LOCALHOST}:{web_port}"
    options: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": DAGS,
            "plugins_folder": PLUGINS,
            "executor": "embedded.executor.PreloadedLocalExecutor",
            # Python 3.14 would start the processes of tasks from nothing.
            "mp_start_method": "fork",
            "parallelism": 4,
            "load_examples": False,
            "dags_are_paused_at_creation": False,
            "default_task_retry_delay": 1,
            "max_task_retry_delay": 1,
            "execution_api_server_url": f"{web}/execution/",
            # The default asks the name server.
            "hostname_callable": "socket.gethostname",
            "fernet_key": "",
            "simple_auth_manager_users": "admin:admin",
            "simple_auth_manager_passwords_file": state.airflow / "passwords.json",
        },
        "database": {"sql_alchemy_conn": f"sqlite:///{state.airflow / 'airflow.db'}"},
        "api": {"base_url": web, "secret_key": secrets.token_hex(32)},
        "api_auth": {"jwt_secret": secrets.token_hex(64)},
        "logging": {"base_log_folder": state.airflow / "logs", "colored_console_log": False},
        "usage_data_collection": {"enabled": False},
        # The defaults spare a database that thousands of tasks share, and make a single one wait.
        "scheduler": {"scheduler_idle_sleep_time": 0.1},
        "workers": {
            "min_heartbeat_interval": 1,
            # The scheduler starts faster than the web server that the first task asks.
            "execution_api_retries": 200,
            "execution_api_retry_wait_min": 0.1,
            "execution_api_retry_wait_max": 0.5,
        },
        "dag_processor": {"min_file_process_interval": 5, "refresh_interval": 5},
        "triggerer": {"default_capacity": 10},
    }
    variables = {
        f"AIRFLOW__{section.upper()}__{option.upper()}": str(value)
        for section, values in options.items()
        for option, value in values.items()
    }
    return variables | {"AIRFLOW_HOME": str(state.airflow), "AIRFLOW_CONN_AWS_DEFAULT": "aws://"}
