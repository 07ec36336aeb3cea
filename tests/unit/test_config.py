import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from etl import config
from etl.config import S3Location
from etl.errors import ConfigError

DAG = {"ETL_START_DATE": "2016-02-21"}


@pytest.mark.parametrize(
    "text",
    [
        "2016-02-30",
        "2015-02-29",
        "16-02-22",
        "2016-2-22",
        "2016/02/22",
        "20160222",
        "",
        " 2016-02-22",
        "٢٠١٦-٠٢-٢٢",
    ],
)
def test_a_run_date_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a calendar date: write it as YYYY-MM-DD"):
        config.parse_run_date(text)


@pytest.mark.parametrize("value", [None, 20160222, ["2016-02-22"]])
def test_a_run_date_is_a_text(value: object) -> None:
    with pytest.raises(ConfigError, match="is not a calendar date"):
        config.parse_run_date(value)


@pytest.mark.parametrize("text", ["0999-01-01", "9999-12-31"])
def test_a_run_date_leaves_room_for_its_windows(text: str) -> None:
    with pytest.raises(ConfigError, match="is not between"):
        config.parse_run_date(text)


def test_a_run_date() -> None:
    assert config.parse_run_date("2016-02-29") == date(2016, 2, 29)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("prod/events", "prod/events/2016/02/05/"), ("/prod/", "prod/2016/02/05/"), ("", "2016/02/05/")],
)
def test_the_prefix_of_a_day_ends_with_a_slash(prefix: str, expected: str) -> None:
    location = config.s3_location({"ETL_S3_BUCKET": "events", "ETL_S3_PREFIX": prefix})
    assert location == S3Location("events", prefix.strip("/"))
    assert location.day_prefix(date(2016, 2, 5)) == expected


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "ETL_S3_BUCKET"),
        ({"ETL_S3_BUCKET": "", "ETL_S3_PREFIX": "x"}, "ETL_S3_BUCKET"),
        ({"ETL_S3_BUCKET": "two words", "ETL_S3_PREFIX": "x"}, "ETL_S3_BUCKET"),
        ({"ETL_S3_BUCKET": "events"}, "ETL_S3_PREFIX"),
    ],
)
def test_a_missing_place_of_the_events_is_named(environ: dict[str, str], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        config.s3_location(environ)


def test_the_warehouse_is_a_file_of_the_user_by_default(tmp_path: Path) -> None:
    assert config.warehouse_url({"XDG_STATE_HOME": str(tmp_path)}).database == str(
        tmp_path / "etl" / "warehouse.sqlite"
    )


@pytest.mark.parametrize(
    "text", ["warehouse", "oracle://db/x", "mysql+nosuchdriver://db/x", "http://x", "sqlite+x:///y"]
)
def test_a_warehouse_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="ETL_WAREHOUSE_URL"):
        config.warehouse_url({"ETL_WAREHOUSE_URL": text})


def test_a_refused_warehouse_does_not_show_its_password() -> None:
    with pytest.raises(ConfigError) as caught:
        config.warehouse_url({"ETL_WAREHOUSE_URL": "oracle://user:hunter2@db/x"})
    assert "hunter2" not in str(caught.value)


def test_the_warehouse_s_address_can_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("sqlite:////srv/w.sqlite\n")
    environ = {"ETL_WAREHOUSE_URL_FILE": str(file)}
    assert config.warehouse_url(environ).database == "/srv/w.sqlite"
    assert config.warehouse_url(environ | {"ETL_WAREHOUSE_URL": "sqlite:///other"}).database == "other"


@pytest.mark.parametrize("content", [None, ""])
def test_a_file_without_the_warehouse_s_address_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "url"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=f"ETL_WAREHOUSE_URL_FILE names {file}"):
        config.warehouse_url({"ETL_WAREHOUSE_URL_FILE": str(file)})


@pytest.fixture
def drivers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let only these of the drivers' modules be there."""

    def only(*names: str) -> None:
        for name in ("MySQLdb", "pymysql", "psycopg"):
            monkeypatch.setitem(sys.modules, name, ModuleType(name) if name in names else None)

    return only


@pytest.mark.parametrize(
    ("plain", "module", "driver"),
    [("mysql", "MySQLdb", "mysqldb"), ("mysql", "pymysql", "pymysql"), ("postgresql", "psycopg", "psycopg")],
)
def test_a_plain_name_of_a_database_gets_the_driver_that_is_there(
    drivers: Callable[..., None], plain: str, module: str, driver: str
) -> None:
    drivers(module)
    url = config.warehouse_url({"ETL_WAREHOUSE_URL": f"{plain}://etl:secret@db/warehouse"})
    assert url.drivername == f"{plain}+{driver}"


@pytest.mark.parametrize("plain", ["mysql", "postgresql"])
def test_a_missing_driver_is_named_with_the_extra_that_brings_it(
    drivers: Callable[..., None], plain: str
) -> None:
    drivers()
    with pytest.raises(ConfigError) as caught:
        config.warehouse_url({"ETL_WAREHOUSE_URL": f"{plain}://etl:hunter2@db/warehouse"})
    assert (
        str(caught.value) == f"ETL_WAREHOUSE_URL: there is no driver for {plain} here: install etl[{plain}]"
    )


def test_the_dag_s_settings() -> None:
    settings = config.dag_settings(
        DAG
        | {
            "ETL_RUNNER": "lambda",
            "ETL_ALERT_EMAILS": "ops@example.org, data@example.org,",
            "ETL_LATE_AFTER": "90min",
        }
    )
    assert settings == config.DagSettings(
        "lambda", date(2016, 2, 21), ("ops@example.org", "data@example.org"), timedelta(minutes=90)
    )


def test_the_dag_runs_the_jobs_itself_and_alerts_nobody_by_default() -> None:
    assert config.dag_settings(DAG) == config.DagSettings("local", date(2016, 2, 21), (), timedelta(hours=12))


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "ETL_START_DATE"),
        ({"ETL_START_DATE": "yesterday"}, "ETL_START_DATE"),
        (DAG | {"ETL_RUNNER": "cloud"}, "ETL_RUNNER"),
        (DAG | {"ETL_ALERT_EMAILS": "ops"}, "ETL_ALERT_EMAILS"),
        (DAG | {"ETL_WEEKLY_EMAILS": "sales"}, "ETL_WEEKLY_EMAILS"),
        (DAG | {"ETL_LATE_AFTER": "noon"}, "ETL_LATE_AFTER"),
        (DAG | {"ETL_LATE_AFTER": "-1h"}, "ETL_LATE_AFTER"),
    ],
)
def test_a_bad_setting_of_the_dag_is_named(environ: dict[str, str], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        config.dag_settings(environ)
