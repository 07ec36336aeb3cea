"""The command `etl`, as its users type it."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from etl import cli, tables
from etl import warehouse as warehouses
from etl.config import S3Location

from tests.conftest import Put, Rows

ETL = str(Path(sys.executable).with_name("etl"))
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def environment(warehouse: sa.URL, source: S3Location, monkeypatch: pytest.MonkeyPatch) -> S3Location:
    monkeypatch.setenv("ETL_WAREHOUSE_URL", warehouse.render_as_string(hide_password=False))
    return source


def json_of(capsys: Captured, *words: str) -> Any:
    assert cli.main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def failure_of(capsys: Captured, *words: str, code: int = 1) -> str:
    try:
        returned = cli.main(words)
    except SystemExit as exit_:
        returned = int(str(exit_.code))
    assert returned == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err.splitlines()[-1]


def test_from_sample_data_to_statistics(environment: S3Location, capsys: Captured, rows: Rows) -> None:
    sample = json_of(capsys, "sample-data", "--days", "2", "--start", "2016-02-21", "--events-per-day", "200")
    assert sample["days"] == 2
    report = json_of(capsys, "load-events", "--run-date", "2016-02-21")
    assert report["run_date"] == "2016-02-21"
    assert report["lines"] == sum(report["rows"].values()) + report["duplicates"]
    assert report["rows"] == {name: len(rows(table)) for name, table in tables.event_tables.items()}
    computed = json_of(capsys, "organization-stats", "--run-date", "2016-02-21")
    shown = json_of(capsys, "stats", "--run-date", "2016-02-21")
    assert len(shown) == computed["statistics"] > 0
    of_one = json_of(capsys, "stats", "--run-date", "2016-02-21", "--organization", "1")
    assert of_one == [row for row in shown if row["organization_id"] == 1] != []


def test_results_are_readable(environment: S3Location, capsys: Captured) -> None:
    assert cli.main(["migrate"]) == 0
    assert "is up to date" in capsys.readouterr().out
    assert cli.main(["sample-data", "--days", "1", "--start", "2016-02-21"]) == 0
    assert "1 days from 2016-02-21" in capsys.readouterr().out
    assert cli.main(["load-events", "--run-date", "2016-02-21"]) == 0
    assert "user_event" in capsys.readouterr().out
    assert cli.main(["stats", "--run-date", "2016-02-21"]) == 0
    assert "`etl organization-stats` computes them" in capsys.readouterr().out
    assert cli.main(["organization-stats", "--run-date", "2016-02-21"]) == 0
    assert "statistics of" in capsys.readouterr().out
    assert cli.main(["stats", "--run-date", "2016-02-21", "--organization", "1"]) == 0
    assert "logins_past_week" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["load-events", "organization-stats", "stats"])
@pytest.mark.parametrize("day", ["2016-02-30", "yesterday", ""])
def test_a_wrong_date_is_named(capsys: Captured, command: str, day: str) -> None:
    assert f"run date '{day}' is not a calendar date" in failure_of(
        capsys, command, "--run-date", day, code=2
    )


@pytest.mark.parametrize(
    "words",
    [
        ["load-events"],
        ["no-such-command"],
        [],
        ["sample-data", "--days", "0"],
        ["sample-data", "--days", "ten"],
        ["sample-data", "--days", "3", "--start", "9999-12-30"],
        ["sample-data", "--s3", "--dir", "x"],
    ],
)
def test_wrong_words_exit_with_2(capsys: Captured, words: list[str]) -> None:
    assert "etl" in failure_of(capsys, *words, code=2)


def test_missing_settings_are_named(
    aws: None, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_WAREHOUSE_URL", f"sqlite:///{tmp_path}/w.sqlite")
    assert "ETL_S3_BUCKET" in failure_of(capsys, "load-events", "--run-date", "2016-02-22", code=2)
    monkeypatch.setenv("ETL_S3_BUCKET", "events")
    assert "ETL_S3_PREFIX" in failure_of(capsys, "load-events", "--run-date", "2016-02-22", code=2)
    monkeypatch.setenv("ETL_WAREHOUSE_URL", "db.example.org")
    assert "ETL_WAREHOUSE_URL" in failure_of(capsys, "migrate", code=2)


def test_tables_that_are_missing_are_named(
    source: S3Location, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "w.sqlite"
    file.touch()
    monkeypatch.setenv("ETL_WAREHOUSE_URL", f"sqlite:///{file}")
    for command in ("load-events", "organization-stats", "stats"):
        assert "run `etl migrate`" in failure_of(capsys, command, "--run-date", "2016-02-22")


def test_an_unknown_bucket_is_named(
    environment: S3Location, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_S3_BUCKET", "no-such-bucket")
    assert "the bucket 'no-such-bucket' does not exist" in failure_of(
        capsys, "load-events", "--run-date", "2016-02-22"
    )


def test_an_s3_that_cannot_be_reached_is_named(
    environment: S3Location, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert "Could not connect to the endpoint URL" in failure_of(
        capsys, "load-events", "--run-date", "2016-02-22"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", "not a url")
    assert "AWS_*" in failure_of(capsys, "load-events", "--run-date", "2016-02-22", code=2)


def test_missing_credentials_are_named(
    environment: S3Location, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    assert "AWS_ACCESS_KEY_ID" in failure_of(capsys, "load-events", "--run-date", "2016-02-22")


def test_a_database_that_cannot_be_reached_is_named_without_its_password(
    aws: None, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_WAREHOUSE_URL", "postgresql://etl:hunter2@127.0.0.1:1/warehouse")
    said = failure_of(capsys, "migrate")
    assert "127.0.0.1:1/warehouse" in said
    assert "hunter2" not in said


def test_an_empty_day_fails_unless_that_is_asked_for(environment: S3Location, capsys: Captured) -> None:
    assert "no objects for 2016-02-22" in failure_of(capsys, "load-events", "--run-date", "2016-02-22")
    assert json_of(capsys, "load-events", "--run-date", "2016-02-22", "--allow-empty")["lines"] == 0


def test_an_unknown_organization_is_named(environment: S3Location, capsys: Captured) -> None:
    said = failure_of(capsys, "stats", "--run-date", "2016-02-22", "--organization", "7")
    assert "no organization 7" in said


def put_statistics(url: sa.URL) -> None:
    names = {1: "Acme", 2: "Fjord, Inc", 3: "Acme"}
    now = "2016-02-01 00:00:00"
    with warehouses.transaction(url, exclusive="test") as connection:
        warehouses.upsert(
            connection, tables.organization, [(id_, name, now, now) for id_, name in names.items()]
        )
        warehouses.upsert(
            connection,
            tables.organization_statistic,
            [
                (id_, day, "logins_past_week", f"{id_}.00")
                for id_ in (1, 2, 3, 9)
                for day in ("2016-02-22", "2016-02-21")
            ],
        )


def test_the_newest_day_is_shown_by_default(
    environment: S3Location, warehouse: sa.URL, capsys: Captured
) -> None:
    put_statistics(warehouse)
    assert {row["day"] for row in json_of(capsys, "stats")} == {"2016-02-22"}
    assert {row["day"] for row in json_of(capsys, "stats", "--run-date", "2016-02-21")} == {"2016-02-21"}


def test_organizations_are_found_by_id_or_by_name(
    environment: S3Location, warehouse: sa.URL, capsys: Captured
) -> None:
    put_statistics(warehouse)
    for wanted, ids in (("2", [2]), ("Fjord, Inc", [2]), ("Acme", [1, 3]), ("9", [9])):
        rows = json_of(capsys, "stats", "--organization", wanted)
        assert [row["organization_id"] for row in rows] == ids
    assert "did you mean 'Acme'?" in failure_of(capsys, "stats", "--organization", "acme")


def test_statistics_of_organizations_that_have_gone_are_shown_without_their_names(
    environment: S3Location, warehouse: sa.URL, capsys: Captured
) -> None:
    put_statistics(warehouse)
    assert json_of(capsys, "stats")[-1]["organization_name"] is None
    assert cli.main(["stats"]) == 0
    assert "(no longer listed)" in capsys.readouterr().out


def test_statistics_as_csv(environment: S3Location, warehouse: sa.URL, capsys: Captured) -> None:
    put_statistics(warehouse)
    assert cli.main(["stats", "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "day,organization_id,organization_name,statistic,value",
        "2016-02-22,1,Acme,logins_past_week,1.00",
        '2016-02-22,2,"Fjord, Inc",logins_past_week,2.00',
        "2016-02-22,3,Acme,logins_past_week,3.00",
        "2016-02-22,9,,logins_past_week,9.00",
    ]


def test_files_are_uploaded_to_their_days_and_loaded_from_there(
    environment: S3Location, tmp_path: Path, capsys: Captured
) -> None:
    files = [tmp_path / name for name in ("2016-02-22.json", "2016-02-22 more.json.gz", "2016-02-23-x")]
    for file in files:
        content = b'{"file": "%s"}\n' % file.name.encode()
        file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    uploaded = json_of(capsys, "upload", *map(str, files))
    assert uploaded["keys"] == [
        "prod/events/2016/02/22/2016-02-22.json",
        "prod/events/2016/02/22/2016-02-22 more.json.gz",
        "prod/events/2016/02/23/2016-02-23-x",
    ]
    assert uploaded["bytes"] == sum(file.stat().st_size for file in files)
    report = json_of(capsys, "load-events", "--run-date", "2016-02-22")
    assert (report["objects"], report["lines"], report["malformed"]) == (2, 2, 0)
    assert cli.main(["upload", str(files[0])]) == 0
    assert f"{files[0]}: s3://{environment.bucket}/prod/events/2016/02/22/" in capsys.readouterr().out


def test_sample_data_into_a_folder_is_the_same_each_time(aws: None, tmp_path: Path, capsys: Captured) -> None:
    words = ["sample-data", "--days", "2", "--events-per-day", "50", "--seed", "3"]
    for name in ("one", "two"):
        json_of(capsys, *words, "--dir", str(tmp_path / name))
    one, two = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two
    assert {str(path.parent) for path in one} == {".", "2016/02/21", "2016/02/22"}
    assert one[Path("organization_user.csv")].startswith(
        b"organization_id,user_id,created_date,modified_date\n1,"
    )


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "folder"
    assert f"{folder}" in failure_of(capsys, "sample-data", "--dir", str(folder))


def test_output_that_nobody_reads_is_no_traceback(environment: S3Location) -> None:
    with subprocess.Popen([ETL, "migrate"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_an_interrupted_load_says_so_and_leaves_nothing(
    environment: S3Location, put: Put, rows: Rows, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = b'{"event_id": "%d", "timestamp": "2016-02-22 10:00:00", "user_id": 7, "event": "web_login"}'

    def interrupted(_text: object, _name: str) -> Iterator[list[bytes]]:
        yield [line % number for number in range(10)]
        raise KeyboardInterrupt

    monkeypatch.setattr("etl.lines.batches", interrupted)
    monkeypatch.setattr("etl.load_events.ROWS_PER_BATCH", 3)
    put(date(2016, 2, 22), "0.json", line)
    said = failure_of(capsys, "load-events", "--run-date", "2016-02-22", code=130)
    assert said == "etl load-events: interrupted; nothing of it was kept"
    assert rows(tables.user_event) == []
