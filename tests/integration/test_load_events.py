"""The event loading job, from S3 into each kind of warehouse."""

import codecs
import gzip
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from hashlib import md5
from typing import Any

import pytest
import sqlalchemy as sa
from etl import storage, tables
from etl.config import S3Location
from etl.errors import EtlError
from etl.lines import LONGEST_LINE_BYTES
from etl.load_events import LoadReport, load_events

from tests.conftest import Put, Rows

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DAY = date(2016, 2, 22)
NEXT_DAY = date(2016, 2, 23)
AT = datetime(2016, 2, 22, 10, 0, 0)  # noqa: DTZ001 - the warehouse's times are UTC without saying so


def user_event(id_: str, **fields: Any) -> bytes:
    event = {"event_id": id_, "timestamp": f"{AT}", "user_id": 7, "event": "web_login"} | fields
    return json.dumps(event).encode()


def payment(id_: str, amount: str) -> bytes:
    return (
        f'{{"event_id": "{id_}", "timestamp": "{AT}", "organization_id": 3, "event": "payment", '
        f'"extra_data": {{"payment_amount": {amount}, "payment_processor": "Chase"}}}}'
    ).encode()


@pytest.fixture
def load(source: S3Location, warehouse: sa.URL, put: Put) -> Any:
    def run(*objects: bytes, **options: Any) -> LoadReport:
        for number, content in enumerate(objects):
            put(DAY, f"{number:04}.json", content)
        return load_events(DAY, source, warehouse, **options)

    return run


def test_each_kind_of_event_goes_to_its_table_with_its_columns(load: Any, rows: Rows) -> None:
    organization_event = {
        "event_id": "o",
        "timestamp": f"{AT}",
        "organization_id": 3,
        "event": "plan_changed",
    }
    report = load(
        b"\n".join(
            [
                user_event("u", extra_data={"social_network_type": "Twitter"}),
                payment("p", "12.5"),
                json.dumps(organization_event).encode(),
                b'{"something": "else"}',
            ]
        )
    )
    assert rows(tables.user_event) == [("u", AT, 7, "web_login", "Twitter")]
    ((*known, amount, processor),) = rows(tables.organization_payment)
    assert (known, float(amount), processor) == (["p", AT, 3, "payment"], 12.5, "Chase")
    assert rows(tables.organization_event) == [("o", AT, 3, "plan_changed")]
    ((id_, read_at, blob),) = rows(tables.unknown_event)
    assert blob == '{"something":"else"}'
    assert id_ == md5(blob.encode(), usedforsecurity=False).hexdigest()
    assert abs((datetime.now() - read_at).total_seconds()) < 86_400  # noqa: DTZ005
    assert {table: count for table, count in report.rows.items() if count} == {
        "user_event": 1,
        "organization_payment": 1,
        "organization_event": 1,
        "unknown_event": 1,
    }
    assert (report.lines, report.duplicates, report.malformed, report.objects) == (4, 0, 0, 1)


def test_the_first_line_of_an_id_wins_in_key_order_then_line_order(load: Any, rows: Rows) -> None:
    report = load(
        b"\n".join([user_event("a", event="first"), user_event("a", event="second")]),
        b"\n".join([user_event("a", event="third"), user_event("b", event="first of b")]),
    )
    assert [(row[0], row[3]) for row in rows(tables.user_event)] == [("a", "first"), ("b", "first of b")]
    assert (report.lines, report.duplicates) == (4, 2)


def test_lines_are_rows_or_duplicates(load: Any) -> None:
    report = load(b"\n".join([user_event("a")] * 3 + [b"junk"] * 2 + [b"{}", b"{ }"]))
    assert (report.lines, report.duplicates, report.malformed) == (7, 4, 2)
    assert sum(report.rows.values()) == report.lines - report.duplicates


def test_running_a_day_twice_leaves_the_same_rows(load: Any, rows: Rows) -> None:
    content = b"\n".join([user_event("a"), payment("p", "1"), b"{}", b"junk"])
    first = load(content)
    kept = [*tables.superseded_by, *tables.superseded_by.values(), tables.day_object, tables.malformed_line]
    before = [rows(table) for table in kept]
    second = load(content)
    assert [rows(table) for table in kept] == before
    assert first.rows == second.rows


def test_a_line_that_is_read_again_on_a_later_day_was_first_read_when_it_was(
    load: Any, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.warehouse.utc_now", lambda: "2016-02-23 01:00:00")
    load(b"{}")
    monkeypatch.setattr("etl.warehouse.utc_now", lambda: "2016-02-24 01:00:00")
    load(b"{}")
    assert [row[1] for row in rows(tables.unknown_event)] == [datetime(2016, 2, 23, 1)]  # noqa: DTZ001


def test_an_event_that_comes_again_on_a_later_day_takes_the_new_values(
    load: Any, put: Put, rows: Rows, source: S3Location, warehouse: sa.URL
) -> None:
    load(user_event("a", event="old", extra_data={"social_network_type": "Twitter"}))
    put(NEXT_DAY, "0.json", user_event("a", event="new"))
    load_events(NEXT_DAY, source, warehouse)
    assert rows(tables.user_event) == [("a", AT, 7, "new", None)]


@pytest.mark.parametrize(
    "name",
    [
        'Bobby"; DROP TABLE students',
        "Robert'); DROP TABLE user_event;--",
        "100% of %s and %(id)s",
        "back\\slash \\N \\0",
        ":colon ?question",
        "emoji 🎉👩‍🚀",
        "名前",
        "tab\tline\nreturn\rbell\x07",
        "trailing space ",
        "",
        "x" * 100,
        "🎉" * 100,
    ],
)
def test_names_and_ids_arrive_unchanged(load: Any, rows: Rows, name: str) -> None:
    load(user_event(name, event=name))
    assert rows(tables.user_event) == [(name, AT, 7, name, None)]


def test_ids_that_differ_in_case_accent_or_trailing_space_are_different(load: Any, rows: Rows) -> None:
    ids = ["a", "A", "á", "a ", "ä", "ß", "ss", "ǅ", "\u0061\u0301"]
    report = load(b"\n".join(user_event(id_) for id_ in ids))
    assert {row[0] for row in rows(tables.user_event)} == set(ids)
    assert report.rows["user_event"] == len(ids)


def test_nul_in_a_name_is_not_lost(load: Any, rows: Rows, warehouse: sa.URL) -> None:
    load(b"\n".join([user_event("a", event="nul\0nul"), b"raw\0nul"]))
    blobs = {row[2] for row in rows(tables.unknown_event)}
    if warehouse.get_backend_name() == "postgresql":
        assert {json.loads(blob)["event"] for blob in blobs if blob[0] == "{"} == {"nul\0nul"}
        assert r"raw\x00nul" in blobs
    else:
        assert [row[3] for row in rows(tables.user_event)] == ["nul\0nul"]
        assert blobs == {"raw\0nul"}


def test_what_does_not_fit_is_kept_whole_as_unknown(load: Any, rows: Rows) -> None:
    lines = [
        user_event("x" * 101),
        user_event("a", event="x" * 101),
        user_event("b", user_id=2**31),
        user_event("c", user_id=-(2**31) - 1),
    ]
    report = load(b"\n".join(lines))
    assert report.rows["unknown_event"] == len(lines)
    kept = sorted(rows(tables.unknown_event), key=lambda row: row[2])
    assert [json.loads(row[2]) for row in kept] == sorted(map(json.loads, lines), key=json.dumps)


@pytest.mark.parametrize("timestamp", ["0001-01-01 00:00:00", "0999-12-31 23:59:59", "9999-12-31 23:59:59"])
def test_timestamps_at_the_ends_of_the_calendar_fit(load: Any, rows: Rows, timestamp: str) -> None:
    load(user_event("a", timestamp=timestamp))
    assert [f"{row[1]}" for row in rows(tables.user_event)] == [timestamp]


def test_integers_at_the_ends_of_the_range_fit(load: Any, rows: Rows) -> None:
    load(b"\n".join([user_event("a", user_id=2**31 - 1), user_event("b", user_id=-(2**31))]))
    assert [row[2] for row in rows(tables.user_event)] == [2**31 - 1, -(2**31)]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("2.675", "2.68"),
        ("0.125", "0.13"),
        ("-0.125", "-0.13"),
        ("1e2", "100.00"),
        ("999999999.99", "999999999.99"),
        ("-999999999.99", "-999999999.99"),
        ("0.004", "0.00"),
    ],
)
def test_amounts_round_half_away_from_zero_to_cents(load: Any, rows: Rows, written: str, stored: str) -> None:
    load(payment("p", written))
    ((*_, amount, _processor),) = rows(tables.organization_payment)
    assert f"{amount:.2f}" == stored


def test_an_amount_that_does_not_fit_is_not_clipped(load: Any, rows: Rows) -> None:
    load(payment("p", "1000000000"))
    assert rows(tables.organization_payment) == []
    assert [row[0] for row in rows(tables.organization_event)] == ["p"]


def test_a_line_that_is_not_json_is_kept_and_does_not_fail_the_day(load: Any, rows: Rows) -> None:
    report = load(b"\n".join([b'{"cut": "of', b"caf\xe9 \xff", user_event("a")]))
    assert {row[2] for row in rows(tables.unknown_event)} == {'{"cut": "of', r"caf\xe9 \xff"}
    assert (report.malformed, report.rows["user_event"]) == (2, 1)


def test_an_object_that_is_not_text_is_kept_line_by_line(load: Any) -> None:
    report = load(bytes(range(256)) * 20, user_event("a"))
    assert report.rows["user_event"] == 1
    assert report.malformed == report.lines - 1


def test_lines_end_at_newline_or_carriage_return_newline_only(load: Any, rows: Rows) -> None:
    event = user_event("a", event="separators")
    separators = event.replace(b"separators", "\u2028 \u2029 \u0085".encode())
    report = load(
        b"\r\n".join([separators, user_event("b")]) + b"\r\n",
        user_event("c") + b"\r" + user_event("d"),
        user_event("e") + b"\x0b" + user_event("f") + b"\x0c\x1c\x1d\x1e",
    )
    assert [row[0] for row in rows(tables.user_event)] == ["a", "b"]
    assert (report.lines, report.malformed) == (4, 2)


def test_blank_lines_are_skipped(load: Any) -> None:
    report = load(b"\n\r\n  \n\t\r\n" + user_event("a") + b"\n\n", b"\n")
    assert (report.lines, report.rows["user_event"], report.rows["unknown_event"]) == (1, 1, 0)
    assert report.objects == 2


@pytest.mark.parametrize(
    ("array", "malformed"),
    [
        (b'[{"a": 1}, {"a": 2}]', 0),
        (b'[\n{"a": 1},\n{"a": 2}\n]\n', 3),
        (b' [ {"a": 1},\r\n\r\n{"a": 2} ]\r\n', 2),
        (b'[\n  {\n    "a": 1\n  }\n]', 5),
        (b"[{]", 1),
    ],
)
def test_an_object_that_is_one_json_array_is_told_by_its_key(
    load: Any, source: S3Location, array: bytes, malformed: int
) -> None:
    report = load(user_event("a"), array, array)
    assert (report.malformed, report.json_arrays) == (2 * malformed, 2)
    assert report.first_json_array == f"{source.day_prefix(DAY)}0001.json"


@pytest.mark.parametrize(
    "text", [b"[]\n[]", b"[1, 2]", b"[1]\n{}\n[2]", b'[{"a": 1}]\n[{"a": 1}]', b"[cut\n{}", b"junk\n]", b"{}"]
)
def test_lines_that_are_arrays_are_no_whole_array(load: Any, text: bytes) -> None:
    assert load(text).json_arrays == 0


def test_objects_are_read_compressed_or_not_and_named_when_they_cannot_be(
    load: Any, put: Put, source: S3Location, rows: Rows
) -> None:
    put(DAY, "a.parquet", gzip.compress(user_event("gzip")) + gzip.compress(b"\n" + user_event("member")))
    put(DAY, "b.json", zstd.compress(codecs.BOM_UTF8 + user_event("zstd") + b"\n"))
    put(DAY, "c.json.gz", codecs.BOM_UTF8 + user_event("plain"))
    assert load().malformed == 0
    assert [row[0] for row in rows(tables.user_event)] == ["gzip", "member", "plain", "zstd"]
    put(DAY, "d.json", b"PAR1\x15\x04" + user_event("x"))
    key = f"{source.day_prefix(DAY)}d.json"
    with pytest.raises(EtlError, match=f"{key} of 2016-02-22 is Parquet"):
        load()


def test_a_line_that_is_too_long_fails_the_day_by_name(
    load: Any, source: S3Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.lines.LONGEST_LINE_BYTES", 1000)
    key = f"{source.day_prefix(DAY)}0000.json"
    with pytest.raises(EtlError, match=f"line 3 of s3://{source.bucket}/{key} of 2016-02-22 has 1,001 bytes"):
        load(b"{}\n\n" + b"x" * 1001)


def test_long_events_are_kept_whole(load: Any, rows: Rows) -> None:
    blob = json.dumps({"text": "é" * 200_000}, ensure_ascii=False, separators=(",", ":"))
    load(blob.encode())
    assert [row[2] for row in rows(tables.unknown_event)] == [blob]


def test_the_longest_line_is_loaded_whole(load: Any, rows: Rows) -> None:
    # Full of what databases escape.
    begin, end = b'{"text":"', b'"}'
    filling = b"\\\"'" * ((LONGEST_LINE_BYTES - len(begin + end)) // 3)
    line = begin + filling.ljust(LONGEST_LINE_BYTES - len(begin + end), b"%") + end
    load(line)
    ((_, _, blob),) = rows(tables.unknown_event)
    assert blob.encode() == line


def test_more_objects_than_a_page_lists(load: Any, rows: Rows) -> None:
    report = load(*(user_event(f"{number:05}") for number in range(1_200)))
    assert report.objects == 1_200
    assert len(rows(tables.user_event)) == 1_200


def test_only_the_day_s_own_folder_is_read(load: Any, put: Put, source: S3Location, rows: Rows) -> None:
    put(NEXT_DAY, "0.json", user_event("tomorrow"))
    s3 = storage.client()
    for key in ("2016/02/22.json", "2016/02/221/0.json", "2016/02/2/0.json"):
        s3.put_object(Bucket=source.bucket, Key=source.key(key), Body=user_event(key))
    load(user_event("today"))
    assert [row[0] for row in rows(tables.user_event)] == ["today"]


# What other tools leave beside the data: empty, and no object of the day.
EMPTY_OBJECTS = ["", "hour=10/", "_SUCCESS", "hour=10_$folder$", "part.json", "part.json.gz"]


def test_objects_that_hold_nothing_are_none(load: Any, put: Put, rows: Rows) -> None:
    for name in EMPTY_OBJECTS:
        put(DAY, name, b"")
    put(DAY, "hour=10/part.json", user_event("a"))
    put(DAY, "hour=11/", user_event("b"))
    put(DAY, "hour=11/_SUCCESS", user_event("c"))
    assert load().objects == 3
    assert [row[0] for row in rows(tables.user_event)] == ["a", "b", "c"]


def test_a_day_of_objects_that_hold_nothing_has_none(load: Any, put: Put) -> None:
    for name in EMPTY_OBJECTS:
        put(DAY, name, b"")
    with pytest.raises(EtlError, match="no objects for 2016-02-22"):
        load()


def test_a_day_without_objects_is_an_error_that_says_where_it_looked(load: Any, source: S3Location) -> None:
    with pytest.raises(
        EtlError, match=f"no objects for 2016-02-22 under s3://{source.bucket}/prod/events/2016/02/22/"
    ):
        load()


def test_a_day_without_objects_passes_where_that_is_asked_for(load: Any) -> None:
    assert load(allow_empty=True).lines == 0


def test_a_load_that_fails_leaves_nothing_behind(
    load: Any, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.load_events.ROWS_PER_BATCH", 1)

    def fail(objects: int, _lines: int) -> None:
        if objects == 2:
            raise EtlError("the network went away")

    with pytest.raises(EtlError, match="the network went away"):
        load(user_event("a"), user_event("b"), user_event("c"), on_progress=fail)
    assert rows(tables.user_event) == []
    assert load().rows["user_event"] == 3


KILLED = """
import os, signal
from datetime import date
from etl import config, load_events
load_events.ROWS_PER_BATCH = 1
def kill(objects, lines):
    if objects == 2:
        os.kill(os.getpid(), signal.SIGKILL)
load_events.load_events(date(2016, 2, 22), config.s3_location(), config.warehouse_url(), on_progress=kill)
"""


def test_a_load_that_is_killed_can_be_run_again(
    load: Any, put: Put, rows: Rows, warehouse: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, id_ in enumerate("abc"):
        put(DAY, f"{number:04}.json", user_event(id_))
    monkeypatch.setenv("ETL_WAREHOUSE_URL", warehouse.render_as_string(hide_password=False))
    killed = subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert killed.returncode == -9
    assert load().rows["user_event"] == 3
    assert [row[0] for row in rows(tables.user_event)] == ["a", "b", "c"]


def test_two_loads_of_a_day_at_once_leave_what_one_leaves(
    source: S3Location, warehouse: sa.URL, put: Put, rows: Rows
) -> None:
    ids = [f"{number:04}" for number in range(500)]
    for number in range(4):
        put(DAY, f"{number}.json", b"\n".join(map(user_event, ids[number::4])))
    together = threading.Barrier(2)

    def run(_: int) -> LoadReport:
        together.wait(timeout=30)
        return load_events(DAY, source, warehouse)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(run, range(2))
    assert first.rows == second.rows
    assert [row[0] for row in rows(tables.user_event)] == ids


def test_more_rows_than_a_batch(load: Any, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl.load_events.ROWS_PER_BATCH", 10)
    monkeypatch.setattr("etl.load_events.LINES_REMEMBERED", 7)
    ids = [f"{number:03}" for number in range(95)]
    report = load(b"\n".join(map(user_event, [*ids, *reversed(ids)])))
    assert (report.rows["user_event"], report.duplicates) == (95, 95)
    assert [row[0] for row in rows(tables.user_event)] == ids
