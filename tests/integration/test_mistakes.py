"""Each command with each mistake a user can make: one clear line and an exit code, and nothing half done."""

import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from io import BytesIO, TextIOWrapper
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from etl import cli, tables
from etl import warehouse as warehouses
from etl.config import S3Location

from tests.conftest import add_organization

DAY = "2016-02-22"
LOAD = f"load-events --run-date {DAY}"
STATISTICS = f"organization-stats --run-date {DAY}"
RELOAD = f"reload --from {DAY} --to {DAY}"
UPLOAD = f"upload {DAY}.json"
IMPORT = "import-organizations members.csv"
SAMPLE = "sample-data --days 1"
OF_WAREHOUSE = ("migrate", LOAD, STATISTICS, RELOAD, "stats", IMPORT, SAMPLE)
OF_TABLES = tuple(words for words in OF_WAREHOUSE if words != "migrate")
WRITING = tuple(words for words in OF_TABLES if words != "stats")
OF_S3 = (LOAD, RELOAD, UPLOAD, SAMPLE)
ALL = ("migrate", LOAD, STATISTICS, RELOAD, "stats", UPLOAD, IMPORT, SAMPLE, "completion bash")


@dataclass(frozen=True)
class Mistake:
    """What is wrong, for which commands, and what is said."""

    commands: tuple[str, ...]
    says: str
    exit_code: int
    settings: dict[str, str | None] = field(default_factory=dict)


MISTAKES = {
    # Words.
    "no command": Mistake(("",), "COMMAND", 2),
    "no such command": Mistake(("laod-events",), "laod-events", 2),
    "no such option": Mistake(tuple(f"{words} --colour" for words in ALL), "--colour", 2),
    "no day": Mistake(("load-events", "organization-stats"), "--run-date", 2),
    "no range": Mistake(("reload", f"reload --from {DAY}"), "--to", 2),
    "no file": Mistake(("upload", "import-organizations"), "FILE", 2),
    "no shell": Mistake(("completion", "completion tcsh"), "shell", 2),
    "no such date": Mistake(
        ("load-events --run-date 2016-02-30", "stats --run-date 22.2.2016", "reload --from 2016-2-1 --to x"),
        "write it as YYYY-MM-DD",
        2,
    ),
    "the calendar's end": Mistake(("load-events --run-date 9999-12-31",), "is not between", 2),
    "a range from its end": Mistake((f"reload --from {DAY} --to 2016-02-01",), "is before --from", 2),
    "no such format": Mistake(("stats --format xml",), "xml", 2),
    "no number of days": Mistake(("sample-data --days many", "sample-data --days -1"), "number above", 2),
    "no seed": Mistake(("sample-data --seed x",), "--seed", 2),
    "two places": Mistake(("sample-data --s3 --dir x",), "--dir", 2),
    # Settings.
    "another database": Mistake(
        OF_WAREHOUSE, "ETL_WAREHOUSE_URL", 2, {"ETL_WAREHOUSE_URL": "oracle://a:hunter2@db/x"}
    ),
    "no URL": Mistake(OF_WAREHOUSE, "ETL_WAREHOUSE_URL", 2, {"ETL_WAREHOUSE_URL": "warehouse"}),
    "no port": Mistake(OF_WAREHOUSE, "ETL_WAREHOUSE_URL", 2, {"ETL_WAREHOUSE_URL": "mysql://a@db:port/x"}),
    "no file of the URL": Mistake(
        OF_WAREHOUSE, "nowhere", 2, {"ETL_WAREHOUSE_URL": None, "ETL_WAREHOUSE_URL_FILE": "nowhere"}
    ),
    "no driver": Mistake(OF_WAREHOUSE, "etl[mysql]", 2, {"ETL_WAREHOUSE_URL": "mysql://a:hunter2@db/x"}),
    "no such option of the driver": Mistake(
        OF_WAREHOUSE, "colour", 1, {"ETL_WAREHOUSE_URL": "postgresql://a:hunter2@127.0.0.1:1/x?colour=red"}
    ),
    "nobody there": Mistake(
        OF_WAREHOUSE, "127.0.0.1:1/x", 1, {"ETL_WAREHOUSE_URL": "postgresql://a:hunter2@127.0.0.1:1/x"}
    ),
    "no warehouse": Mistake(
        OF_TABLES, "run `etl migrate`", 1, {"ETL_WAREHOUSE_URL": "sqlite:///none.sqlite"}
    ),
    "no tables": Mistake(OF_TABLES, "run `etl migrate`", 1, {"ETL_WAREHOUSE_URL": "sqlite:///empty.sqlite"}),
    "no database": Mistake(
        OF_WAREHOUSE, "file is not a database", 1, {"ETL_WAREHOUSE_URL": "sqlite:///members.csv"}
    ),
    "a folder": Mistake(OF_WAREHOUSE, "folder", 1, {"ETL_WAREHOUSE_URL": "sqlite:///folder"}),
    "no folder": Mistake(
        ("migrate",), "members.csv/x", 1, {"ETL_WAREHOUSE_URL": "sqlite:///members.csv/x/w"}
    ),
    "no bucket": Mistake(OF_S3, "ETL_S3_BUCKET", 2, {"ETL_S3_BUCKET": None}),
    "a bucket with a scheme": Mistake(OF_S3, "without s3://", 2, {"ETL_S3_BUCKET": "s3://events"}),
    "a bucket with a path": Mistake(OF_S3, "without a path", 2, {"ETL_S3_BUCKET": "events/prod"}),
    "no prefix": Mistake(OF_S3, "ETL_S3_PREFIX", 2, {"ETL_S3_PREFIX": None}),
    "a prefix with a scheme": Mistake(OF_S3, "ETL_S3_PREFIX", 2, {"ETL_S3_PREFIX": "s3://events/prod"}),
    "no such bucket": Mistake(
        (LOAD, RELOAD, UPLOAD), "does not exist", 1, {"ETL_S3_BUCKET": "no-such-bucket"}
    ),
    "no endpoint": Mistake(OF_S3, "AWS_*", 2, {"AWS_ENDPOINT_URL": "not a url"}),
    "nobody at the endpoint": Mistake(OF_S3, "127.0.0.1:1", 1, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}),
    "no credentials": Mistake(
        OF_S3, "AWS_ACCESS_KEY_ID", 1, {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    ),
    "no such profile": Mistake(OF_S3, "AWS_*", 2, {"AWS_PROFILE": "nobody"}),
    # Files and data.
    "a file that is not there": Mistake(("upload 2016-02-22.csv", "import-organizations x.csv"), ".csv", 1),
    "a folder for a file": Mistake(("upload 2016-02-22", "import-organizations folder"), "directory", 1),
    "a pipe for a file": Mistake(("upload 2016-02-23.pipe",), "no regular file", 1),
    "a name without a day": Mistake(("upload members.csv", "upload 2016-02-30.json"), "YYYY-MM-DD", 2),
    "one name twice": Mistake((f"upload {DAY}.json folder/{DAY}.json",), "would both be", 2),
    "an empty file of a replacement": Mistake(
        ("import-organizations empty.sqlite --replace",), "empty.sqlite holds no rows", 1
    ),
    "bad rows": Mistake(("import-organizations bad.csv",), "1 line can't be used", 1),
    "no object": Mistake(("import-organizations s3://x",), "write it as s3://BUCKET/KEY", 2),
    "an object that is not there": Mistake(
        ("import-organizations s3://no-such-bucket/x",), "s3://no-such-bucket/x", 1
    ),
    "no objects of the day": Mistake((LOAD, RELOAD), f"no objects for {DAY}", 1),
    "no such organization": Mistake(("stats --organization Acne",), "did you mean 'Acme'?", 1),
    "a folder that can't be made": Mistake(("sample-data --dir members.csv/x",), "members.csv", 1),
    "too many days": Mistake(("sample-data --days 3 --start 9999-12-30",), "9999-12-30", 2),
}
CASES = [
    pytest.param(words, mistake, id=f"{name}: {words.split()[0] if words else ''}{number}")
    for name, mistake in MISTAKES.items()
    for number, words in enumerate(mistake.commands)
]


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse that has an organization."""
    file = tmp_path_factory.mktemp("warehouse") / "warehouse.sqlite"
    url = sa.URL.create("sqlite", database=str(file))
    warehouses.migrate(url)
    add_organization(url)
    return file


@pytest.fixture
def folder(source: S3Location, warehouse_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a user stands who has a warehouse with an organization, and files of every kind."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(warehouse_file, tmp_path)
    monkeypatch.setenv("ETL_WAREHOUSE_URL", f"sqlite:///{tmp_path}/warehouse.sqlite")
    for name, content in {
        "members.csv": "organization_id,user_id\n1,8\n",
        "bad.csv": "organization_id,user_id\n1,8\n1,x\n",
        "empty.sqlite": "",
        f"{DAY}.json": "{}\n",
        f"folder/{DAY}.json": "{}\n",
        f"{DAY}/x": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    os.mkfifo(tmp_path / "2016-02-23.pipe")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, os.devnull)
    # Tries again at once.
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None))
    # No driver of MySQL is there, as after a plain installation.
    for module in ("MySQLdb", "pymysql"):
        monkeypatch.setitem(sys.modules, module, None)
    return tmp_path


def what_is_there(folder: Path) -> tuple[dict[str, int], list[tuple[str, ...]]]:
    """Return the files with their sizes, and the rows of organizations and members."""
    files = {
        str(path.relative_to(folder)): 0 if path.name.startswith("warehouse") else path.stat().st_size
        for path in folder.rglob("*")
        if not path.name.endswith(("-wal", "-shm"))
    }
    url = sa.URL.create("sqlite", database=str(folder / "warehouse.sqlite"))
    with warehouses.transaction(url) as connection:
        rows = [
            (table.name, *map(str, row))
            for table in tables.metadata.sorted_tables
            for row in connection.execute(sa.select(table))
        ]
    return files, sorted(rows)


@pytest.mark.parametrize(("words", "mistake"), CASES)
def test_a_mistake_is_one_line_and_leaves_nothing(
    words: str,
    mistake: Mistake,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = what_is_there(folder)
    for name, value in mistake.settings.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO()))

    assert cli.main(words.split()) == mistake.exit_code
    shown = capsys.readouterr()
    assert shown.out == ""
    *usage, line = shown.err.splitlines()
    assert not usage or usage[0].startswith("usage: ") or "can't be used" in usage[0]
    assert mistake.says in shown.err
    assert line.startswith(("etl", "  "))

    assert cli.main([*words.split(), "--json"]) == mistake.exit_code
    shown_as_json = capsys.readouterr()
    assert shown_as_json.out == ""
    told = json.loads(shown_as_json.err)
    assert told["exit_code"] == mistake.exit_code
    assert mistake.says in told["error"]
    for text in (shown.err, shown_as_json.err):
        assert "Traceback" not in text
        assert "hunter2" not in text
    assert what_is_there(folder) == before
