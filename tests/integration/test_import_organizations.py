"""Organizations and members from files into the warehouse."""

import gzip
import io
import json
import os
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from etl import storage, tables
from etl.config import S3Location
from etl.errors import ConfigError, EtlError
from etl.import_organizations import Counts, import_organizations

from tests.conftest import Rows

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

README = Path(__file__).parents[2] / "README.md"
ORGANIZATIONS = 'organization_id,organization_name\n1,"Acme, Inc"\n2,Bobby"; DROP TABLE students\n'
MEMBERS = '{"organization_id": 1, "user_id": 7}\n\n{"user_id": 8.0, "organization_id": 2}\n'


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "organizations.csv").write_text(
        "\ufeff" + ORGANIZATIONS.replace('Bobby"', '"Bobby""').replace("students", 'students"')
    )
    (tmp_path / "members.jsonl").write_text(MEMBERS)
    return str(tmp_path / "organizations.csv"), str(tmp_path / "members.jsonl")


def of(rows: Rows, table: sa.Table) -> list[tuple[object, ...]]:
    return [row[:2] for row in rows(table)]


def test_both_kinds_come_in_and_a_second_time_changes_nothing(
    files: tuple[str, str], warehouse: sa.URL, rows: Rows
) -> None:
    assert import_organizations(files, warehouse).counts == {
        "organizations": Counts(read=2, added=2),
        "members": Counts(read=2, added=2),
    }
    assert of(rows, tables.organization) == [(1, "Acme, Inc"), (2, 'Bobby"; DROP TABLE students')]
    assert of(rows, tables.organization_user) == [(1, 7), (2, 8)]
    before = rows(tables.organization)
    assert import_organizations(files, warehouse).counts["organizations"] == Counts(read=2, unchanged=2)
    assert rows(tables.organization) == before


def test_what_a_file_does_not_have_stays_unless_it_replaces(
    tmp_path: Path, files: tuple[str, str], warehouse: sa.URL, rows: Rows
) -> None:
    import_organizations(files, warehouse)
    new = tmp_path / "new.csv"
    new.write_text("organization_name,organization_id,created_date\nNew,2,2016-01-02 03:04:05\n")
    assert import_organizations([str(new)], warehouse).counts["organizations"] == Counts(read=1, changed=1)
    assert of(rows, tables.organization) == [(1, "Acme, Inc"), (2, "New")]
    assert f"{rows(tables.organization)[1][2]}" == "2016-01-02 03:04:05"
    report = import_organizations([str(new)], warehouse, replace=True)
    assert report.counts["organizations"] == Counts(read=1, unchanged=1, removed=1)
    assert of(rows, tables.organization) == [(2, "New")]
    assert of(rows, tables.organization_user) == [(1, 7), (2, 8)]
    assert report.unlisted_members == 1


@pytest.mark.parametrize(
    "case",
    [
        (b"organization_id,organization_name\n1,A\nx,B\n", 3, "no number"),
        (b"organization_id,organization_name\n2147483648,A\n", 2, "not between"),
        (b"organization_id,organization_name\n1.5,A\n", 2, "no whole number"),
        (b"organization_id,organization_name\n1,\n", 2, "no organization_name"),
        (b"organization_id,organization_name\n1," + b"x" * 256 + b"\n", 2, "256 characters"),
        (b"organization_id,organization_name\n1,A,B\n", 2, "3 values"),
        (b'organization_id,organization_name\n1,"A\nB"\n1,C\n', 4, "contradicts"),
        (b"organization_id,organization_name\n1,\xff\n", 2, "not UTF-8"),
        (b'organization_id,organization_name\n1,"A\n', 2, "not CSV"),
        (b"id,name\n1,A\n", 1, "has the fields id, name"),
        (b"organization_id,organization_name,user_id\n1,A,1\n", 1, "has the fields"),
        (b"organization_id,user_id,created_date\n1,2,2016-02-30 00:00:00\n", 2, "created_date"),
        (b'{"organization_id": "1", "user_id": 2}\n', 1, "no number"),
        (b'{"organization_id": true, "user_id": 2}\n', 1, "no number"),
        (b'{"organization_id": 1, "organization_id": 1, "user_id": 2}\n', 1, "twice"),
        (b'{"organization_id": 1, "organization_name": "\\ud800"}\n', 1, "half of a character"),
        (b'{"organization_id": 1, "user_id": 2}\n{"organi\n', 2, "not JSON"),
        (b'{"organization_id": 1, "user_id": 2}\n[]\n', 2, "no JSON object"),
        (b'[{"organization_id": 1, "user_id": 2}]\n', 1, "JSON array"),
        (b"organization_id,user_id\n1,2\xff\n", 2, "not UTF-8"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_and_nothing_is_written(
    tmp_path: Path, warehouse: sa.URL, rows: Rows, case: tuple[bytes, int, str]
) -> None:
    content, number, what = case
    file = tmp_path / "export"
    file.write_bytes(content)
    with pytest.raises(EtlError, match="nothing was imported") as caught:
        import_organizations([str(file)], warehouse, replace=True)
    assert caught.value.exit_code == 1
    (detail,) = caught.value.details
    assert detail.startswith(f"{file}:{number} ")
    assert what in detail
    assert rows(tables.organization) == rows(tables.organization_user) == []


def test_of_many_bad_lines_the_first_are_shown_and_the_rest_counted(
    tmp_path: Path, warehouse: sa.URL
) -> None:
    file = tmp_path / "export"
    file.write_text("organization_id,user_id\n" + "1,x\n" * 25)
    with pytest.raises(EtlError, match="25 lines") as caught:
        import_organizations([str(file)], warehouse)
    assert caught.value.details[0].startswith(f"{file}:2 ")
    assert caught.value.details[20:] == ("and 5 more",)


@pytest.mark.parametrize("content", ["", "\n", "organization_id,organization_name\n"])
def test_an_empty_file_replaces_nothing(
    tmp_path: Path, files: tuple[str, str], warehouse: sa.URL, rows: Rows, content: str
) -> None:
    import_organizations(files, warehouse)
    (tmp_path / "empty").write_text(content)
    with pytest.raises(EtlError, match="holds no rows"):
        import_organizations([str(tmp_path / "empty")], warehouse, replace=True)
    assert len(rows(tables.organization)) == 2


def test_the_standard_input_and_an_object_are_files_too(
    source: S3Location, warehouse: sa.URL, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(MEMBERS.encode())))
    line = json.dumps({"organization_id": 1, "organization_name": "naïve café"})
    storage.client().put_object(Bucket=source.bucket, Key="export/o.jsonl", Body=line.encode())
    report = import_organizations(["-", f"s3://{source.bucket}/export/o.jsonl"], warehouse)
    assert of(rows, tables.organization) == [(1, "naïve café")]
    assert report.unlisted_members == 1
    with pytest.raises(EtlError, match="missing"):
        import_organizations([f"s3://{source.bucket}/missing"], warehouse)
    with pytest.raises(ConfigError, match="s3://BUCKET/KEY"):
        import_organizations(["s3://bucket"], warehouse)


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_compressed_files_are_read_wherever_they_come_from(  # noqa: PLR0913 - fixtures
    compress: Callable[[bytes], bytes],
    *,
    tmp_path: Path,
    warehouse: sa.URL,
    source: S3Location,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "1.csv").write_bytes(compress(b"\xef\xbb\xbforganization_id,organization_name\n1,Acme\n"))
    storage.client().put_object(
        Bucket=source.bucket, Key="2", Body=compress(b'{"organization_id": 2, "organization_name": "Fjord"}')
    )
    members = io.BytesIO(compress(b"organization_id,user_id\n1,7\n"))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=members))
    import_organizations([str(tmp_path / "1.csv"), f"s3://{source.bucket}/2", "-"], warehouse)
    assert of(rows, tables.organization) == [(1, "Acme"), (2, "Fjord")]
    assert of(rows, tables.organization_user) == [(1, 7)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04 a workbook", "is zip, and only text can be read"),
        ("organization_id,user_id\n".encode("utf-16"), "is UTF-16, and only text can be read"),
        (gzip.compress(b"organization_id,user_id\n1,2\n" * 99)[:-20], "breaks off"),
    ],
    ids=["zip", "UTF-16", "broken gzip"],
)
def test_a_file_that_is_no_text_is_named(
    content: bytes, said: str, tmp_path: Path, warehouse: sa.URL
) -> None:
    (file := tmp_path / "members").write_bytes(content)
    with pytest.raises(EtlError, match=f"{file} {said}"):
        import_organizations([str(file)], warehouse)


def test_a_pipe_is_a_file_too(tmp_path: Path, warehouse: sa.URL, rows: Rows) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    with ThreadPoolExecutor(1) as writer:
        writer.submit(pipe.write_text, "organization_id,organization_name\n1,Acme\n")
        import_organizations([str(pipe)], warehouse)
    assert of(rows, tables.organization) == [(1, "Acme")]


def test_the_readmes_daily_task_imports(
    warehouse: sa.URL, source: S3Location, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_WAREHOUSE_URL", warehouse.render_as_string(hide_password=False))
    storage.client().put_object(
        Bucket=source.bucket, Key="organizations.csv", Body=b"organization_id,organization_name\n1,Acme\n"
    )
    (code,) = re.findall(r"^```python\n(@task\n.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {"task": lambda function: function}
    exec(code.replace("s3://app-export", f"s3://{source.bucket}"), names)
    assert names["organizations"]()["counts"]["organizations"]["added"] == 1
    assert of(rows, tables.organization) == [(1, "Acme")]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, warehouse: sa.URL) -> None:
    for source in (tmp_path, tmp_path / "missing"):
        with pytest.raises(EtlError, match=f"{source} can't be read: "):
            import_organizations([str(source)], warehouse)
