"""The example alert rules and dashboards, judged by Prometheus' own promtool."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool (Prometheus)")

MODULES = Path(__file__).parents[2] / "modules"
RULES = [MODULES / "airflow/alerts.yaml", MODULES / "etl_alerts.yaml"]
DAG = 'airflow_day_lateness_seconds{dag_id="daily_etls"}'
# What is said while all is well, every minute.
WELL: dict[str, str | None] = {
    'up{job="airflow", instance="main:9102"}': "1x120",
    'airflow_healthy{check="airflow-scheduler.service"}': "1x120",
    "airflow_scheduler_heartbeat": "0+12x120",
    "airflow_dag_processor_heartbeat": "0+12x120",
    "airflow_triggerer_heartbeat": "0+12x120",
    "airflow_dag_processing_import_errors": "0x120",
    "airflow_dag_processing_total_parse_time": "2x120",
    "airflow_oldest_queued_task_seconds": "20x120",
    'airflow_queue_length{queue="default"}': "3x120",
    'airflow_pool_open_slots{pool_name="default_pool"}': "120x120",
    # A day that is done half a day after its end.
    DAG: "0+60x120",
    "mysql_up": "1x120",
    "mysql_global_status_threads_connected": "20x120",
    "mysql_global_variables_max_connections": "151x120",
    "redis_up": "1x120",
    'etl_last_day_rows{table="user_event"}': "1000x120",
    "etl_last_day_lines": "3000x120",
    "etl_last_day_malformed_lines": "30x120",
}
GONE = None
# What is said otherwise, and what it is an alert of after how many minutes, and not a while before.
UNWELL: dict[str, tuple[dict[str, str | None], int]] = {
    "AirflowExporterDown": ({'up{job="airflow", instance="main:9102"}': "0x120"}, 5),
    "AirflowMetricsMissing": ({'airflow_healthy{check="airflow-scheduler.service"}': GONE}, 5),
    "AirflowUnhealthy": ({'airflow_healthy{check="airflow-scheduler.service"}': "0x120"}, 5),
    "AirflowSchedulerSilent": ({"airflow_scheduler_heartbeat": "500x120"}, 4),
    "AirflowDagProcessorSilent": ({"airflow_dag_processor_heartbeat": "500x120"}, 4),
    "AirflowTriggererSilent": ({"airflow_triggerer_heartbeat": "500x120"}, 4),
    "AirflowDagBroken": ({"airflow_dag_processing_import_errors": "1x120"}, 5),
    "AirflowDagProcessingSlow": ({"airflow_dag_processing_total_parse_time": "61x120"}, 15),
    # It is reached after 16 minutes.
    "AirflowTasksWait": ({"airflow_oldest_queued_task_seconds": "0+60x120"}, 17),
    "AirflowQueueLong": ({'airflow_queue_length{queue="default"}': "101x120"}, 15),
    "AirflowPoolFull": ({'airflow_pool_open_slots{pool_name="default_pool"}': "0x120"}, 30),
    # Late by a day after 21 minutes.
    "AirflowDayLate": ({DAG: f"{86400 - 20 * 60}+60x120"}, 31),
    "AirflowMysqlDown": ({"mysql_up": "0x120"}, 2),
    "AirflowMysqlConnections": ({"mysql_global_status_threads_connected": "121x120"}, 5),
    "AirflowRedisDown": ({"redis_up": "0x120"}, 2),
    "EtlMetricsMissing": ({'etl_last_day_rows{table="user_event"}': GONE}, 15),
    # For 61 minutes it was as ever.
    "EtlFewRows": ({'etl_last_day_rows{table="user_event"}': "1000x60 400x60"}, 76),
    "EtlMalformedLines": ({"etl_last_day_malformed_lines": "151x120"}, 15),
}


def judge(folder: Path, told: dict[str, str | None], expected: dict[int, set[str]]) -> None:
    """Let promtool say which alerts there are, of all the rules."""
    names = re.findall(r"alert: (\w+)", "".join(file.read_text() for file in RULES))
    assert set(names) == set(UNWELL)
    series = [{"series": name, "values": values} for name, values in told.items() if values is not None]
    tests: list[dict[str, Any]] = []
    for minutes, alerts in expected.items():
        for name in names:
            samples = [{"labels": "{}", "value": 1}] if name in alerts else []
            tests.append(
                {
                    "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) > bool 0',
                    "eval_time": f"{minutes}m",
                    "exp_samples": samples,
                }
            )
    content = {
        "rule_files": [str(file) for file in RULES],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": tests}],
    }
    file = folder / "rules.json"
    file.write_text(json.dumps(content))
    done = subprocess.run(["promtool", "test", "rules", file], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_an_alert_while_all_is_well(tmp_path: Path) -> None:
    judge(tmp_path, WELL, {minutes: set() for minutes in (10, 60, 120)})


@pytest.mark.parametrize("name", UNWELL)
def test_what_is_unwell_is_an_alert_of_its_own(tmp_path: Path, name: str) -> None:
    told, minutes = UNWELL[name]
    judge(tmp_path, WELL | told, {minutes - 2: set(), minutes + 1: {name}})


def check(*files: Path) -> None:
    done = subprocess.run(["promtool", "check", "rules", *files], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_as_prometheus_wants_them() -> None:
    check(*RULES)


@pytest.mark.parametrize("file", ["airflow/dashboard.json", "etl_dashboard.json"])
def test_prometheus_understands_what_a_dashboard_asks(tmp_path: Path, file: str) -> None:
    panels = json.loads((MODULES / file).read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    rules = [{"record": f"asked:{number}", "expr": expression} for number, expression in enumerate(asked)]
    assert rules
    recorded = tmp_path / "rules.json"
    recorded.write_text(json.dumps({"groups": [{"name": file, "rules": rules}]}))
    check(recorded)
