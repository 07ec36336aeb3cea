"""Metrics on their way: Airflow's own and the warehouse's, to what Prometheus reads.

They go through Prometheus' StatsD exporter where there is one, and elsewhere through what stands for it on
the machines.
"""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import sqlalchemy as sa
from embedded.settings import free_port
from etl import warehouse as warehouses
from etl.config import S3Location
from etl.load_events import load_events

from tests.conftest import Put
from tests.integration.airflow_fixtures import until
from tests.unit.programs import program

PROJECT = Path(__file__).parents[2]
MAPPING = PROJECT / "modules/airflow/statsd-mapping.yaml"
STAND_IN = PROJECT / "tests/machine/statsd_exporter.py"
LINE = '{"event_id": "%s", "timestamp": "2016-02-22 10:00:00", "user_id": 7, "event": "web_login"}\n'

Read = Callable[[], dict[str, float]]


@pytest.fixture
def statsd_port() -> int:
    return free_port()


@pytest.fixture
def exported(statsd_port: int) -> Iterator[Read]:
    """Read all that an exporter has, by its name and labels."""
    port = free_port()
    found = shutil.which("statsd_exporter")
    command = [found] if found else [sys.executable, str(STAND_IN)]
    command += [f"--web.listen-address=127.0.0.1:{port}", f"--statsd.listen-udp=127.0.0.1:{statsd_port}"]
    command += ["--statsd.listen-tcp=", f"--statsd.mapping-config={MAPPING}"]

    def read() -> dict[str, float]:
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def is_up() -> bool:
        try:
            return bool(read() or True)
        except URLError:
            return False

    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            until(is_up, "the exporter")
            yield read
        finally:
            process.terminate()


@pytest.fixture
def airflow_statsd(statsd_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let Airflow's metrics go there, as the module's settings say."""
    from airflow._shared.observability.metrics import stats  # noqa: PLC0415
    from airflow._shared.observability.metrics.base_stats_logger import NoStatsLogger  # noqa: PLC0415
    from airflow.observability.metrics import stats_utils  # noqa: PLC0415

    settings = {"STATSD_ON": "True", "STATSD_HOST": "127.0.0.1", "STATSD_PORT": str(statsd_port)}
    for name, value in (settings | {"STATSD_INFLUXDB_ENABLED": "True"}).items():
        monkeypatch.setenv(f"AIRFLOW__METRICS__{name}", value)
    before = (stats._factory, stats._export_legacy_names)  # noqa: SLF001
    stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)
    yield
    stats.initialize(factory=before[0] or NoStatsLogger, export_legacy_names=before[1])


def test_airflows_metrics_are_what_its_documentation_calls_them_with_labels(
    exported: Read, airflow_statsd: None
) -> None:
    from airflow._shared.observability.metrics import stats  # noqa: PLC0415

    stats.incr("scheduler_heartbeat")
    stats.incr("scheduler_heartbeat")
    stats.gauge("pool.open_slots", 128, tags={"pool_name": "default_pool"})
    stats.gauge("pool.open_slots", 127, tags={"pool_name": "default_pool"})
    # A dot in a name is no border, and the id of a run no label.
    task = {"dag_id": "reports.daily", "task_id": "group.load", "run_id": "scheduled__2016-02-23"}
    stats.gauge("ti.running", 1, tags=task | {"queue": "default"})
    stats.timing("task.duration", 1500.0, tags=task)
    stats.timing("task.duration", 500.0, tags=task)
    labels = '{dag_id="reports.daily",task_id="group.load"}'
    expected = {
        "airflow_scheduler_heartbeat": 2,
        'airflow_pool_open_slots{pool_name="default_pool"}': 127,
        'airflow_ti_running{dag_id="reports.daily",queue="default",task_id="group.load"}': 1,
        f"airflow_task_duration_sum{labels}": 2,
        f"airflow_task_duration_count{labels}": 2,
    }
    until(lambda: expected.items() <= exported().items(), "all of them")


def test_what_airflow_health_finds_is_told_with_its_figures(exported: Read, statsd_port: int) -> None:
    metrics, health = program("metrics"), program("health")
    length = health.Figure("queue_length", 3, {"queue": "default"})
    found = [
        health.Finding("queue default", "3", figures=(length,)),
        health.Finding("disk of /a,b=c:d", "full", well=False),
        health.Finding("MySQL", "no answer", well=False),
    ]
    settings = dict.fromkeys((setting for _, setting in health.LOOKS.values()), None)
    settings |= {"client": {}, "broker": "redis://"}
    metrics.send(statsd_port, "airflow", metrics.figures(settings, found))
    expected = {
        'airflow_healthy{check="queue default"}': 1,
        'airflow_healthy{check="disk of /a_b_c_d"}': 0,
        'airflow_healthy{check="MySQL"}': 0,
        'airflow_healthy{check="Redis"}': 1,
        'airflow_queue_length{queue="default"}': 3,
    }
    until(lambda: expected.items() <= exported().items(), "all of them")
    # There is none here.
    assert 'airflow_healthy{check="certificate"}' not in exported()


def test_the_rows_of_the_newest_day_and_of_all_days(warehouse: sa.URL, put: Put, source: S3Location) -> None:
    sys.path.append(str(PROJECT / "modules"))
    figures = importlib.import_module("etl_metrics").figures

    def told() -> dict[tuple[str, str], float]:
        with warehouses.transaction(warehouse) as connection:
            return {(one.metric, one.labels.get("table", "")): one.value for one in figures(connection)}

    assert told() == {}
    for day, names in ((date(2016, 2, 23), "abc"), (date(2016, 2, 22), "de")):
        put(day, "a.json", "".join(LINE % name for name in f"{names}{names[0]}").encode() + b"junk\n")
        load_events(day, source, warehouse)
    found = told()
    # The newest day, which isn't the one that was loaded last.
    assert found["last_day_timestamp_seconds", ""] == datetime(2016, 2, 23, tzinfo=UTC).timestamp()
    assert found["last_day_rows", "user_event"] == 3
    assert found["loaded_rows", "user_event"] == 5
    assert found["last_day_rows", "organization_event"] == 0
    assert [found[f"last_day_{name}", ""] for name in ("lines", "duplicate_lines", "malformed_lines")] == [
        5,
        1,
        1,
    ]
