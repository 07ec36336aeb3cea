"""Days that are loaded again: what goes, what stays, what comes back, and which statistics follow."""

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
from etl import cli, storage, tables
from etl import warehouse as warehouses
from etl.config import S3Location
from etl.errors import EtlError
from etl.load_events import load_events
from etl.objects import ListedObject, digest
from etl.organization_stats import organization_stats
from etl.reload import LateDay, days_between, late_days, reload, touched_days
from etl.statistics import month_start
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Put, Rows, add_organization
from tests.unit import rules

DAYS = days_between(date(2016, 2, 22), date(2016, 2, 25))
DAY, NEXT_DAY, THIRD_DAY, _ = DAYS
Load = Callable[..., Any]


def line(id_: str, event: str = "web_login", owner: str = "user_id", **fields: Any) -> bytes:
    at = "2016-02-22 10:00:00"
    return json.dumps({"event_id": id_, "timestamp": at, owner: 7, "event": event} | fields).encode()


@pytest.fixture
def load(source: S3Location, warehouse: sa.URL) -> Load:
    """Load a day whose only objects are these."""
    s3 = storage.client()

    def run(day: date, *objects: bytes) -> Any:
        for listed in list(storage.list_objects(s3, source, day)):
            s3.delete_object(Bucket=source.bucket, Key=listed.key)
        for number, content in enumerate(objects):
            s3.put_object(Bucket=source.bucket, Key=f"{source.day_prefix(day)}{number}", Body=content)
        return load_events(day, source, warehouse, allow_empty=True)

    return run


def names(rows: Rows, table: sa.Table = tables.user_event) -> dict[str, str]:
    return {row[0]: row[3] for row in rows(table)}


def test_what_only_that_day_had_goes_with_its_object(load: Load, rows: Rows) -> None:
    load(DAY, line("a"), line("b"), b"junk", b'{"some": "thing"}')
    report = load(DAY, line("b"), b'{"some": "thing"}')
    assert names(rows) == {"b": "web_login"}
    assert [row[2] for row in rows(tables.unknown_event)] == ['{"some":"thing"}']
    assert (report.rows["user_event"], report.rows["unknown_event"], report.malformed) == (1, 1, 0)


def test_what_another_day_has_too_stays_with_what_that_day_has(load: Load, rows: Rows) -> None:
    load(DAY, line("a", "old"))
    load(NEXT_DAY, line("a", "new"))
    load(DAY)
    assert names(rows) == {"a": "new"}
    load(DAY, line("a", "older"))
    assert names(rows) == {"a": "new"}
    load(NEXT_DAY)
    assert names(rows) == {"a": "older"}
    load(DAY)
    assert names(rows) == {}
    assert all(rows(table) == [] for table in tables.superseded_by.values())


def test_an_unknown_event_that_comes_back_was_first_read_when_it_was(
    load: Load, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in (DAY, NEXT_DAY):
        monkeypatch.setattr("etl.warehouse.utc_now", lambda day=day: f"{day} 23:00:00")
        load(day, b"{}")
    before = rows(tables.unknown_event)
    load(NEXT_DAY)
    assert rows(tables.unknown_event) == before
    assert f"{before[0][1]:%Y-%m-%d}" == DAY.isoformat()


def test_an_event_that_is_classed_otherwise_goes_from_its_old_table(load: Load, rows: Rows) -> None:
    load(DAY, line("a"), line("b"))
    load(DAY, line("a", owner="organization_id"), line("b"))
    assert list(names(rows)) == ["b"]
    assert list(names(rows, tables.organization_event)) == ["a"]


def test_rows_of_an_unknown_day_get_one_or_stay(load: Load, rows: Rows, warehouse: sa.URL) -> None:
    old = {"timestamp": sa.func.current_timestamp(), "event": "old"}
    with warehouses.transaction(warehouse, exclusive="test") as connection:
        for id_ in ("same", "elsewhere", "otherwise"):
            connection.execute(sa.insert(tables.user_event).values(id=id_, user_id=1, **old))
    load(DAY, line("same", "new"), line("otherwise", "new", "organization_id"))
    assert names(rows) == {"same": "new", "elsewhere": "old"}
    assert names(rows, tables.organization_event) == {"otherwise": "new"}
    load(DAY)
    assert names(rows) == {"elsewhere": "old"}


def test_a_reload_that_fails_leaves_the_day_as_it_was(
    load: Load, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(DAY, line("a"))
    before = {table: rows(table) for table in tables.metadata.sorted_tables}

    def fail(*_: object, **__: object) -> None:
        raise EtlError("the power went away")

    monkeypatch.setattr("etl.load_events._keep", fail)
    with pytest.raises(EtlError, match="the power went away"):
        load(DAY, line("b"))
    assert {table: rows(table) for table in tables.metadata.sorted_tables} == before


def test_more_rows_than_a_statement_are_taken_back(load: Load, rows: Rows, monkeypatch: Any) -> None:
    monkeypatch.setattr("etl.day_rows.IDS_AT_ONCE", 3)
    monkeypatch.setattr("etl.load_events.ROWS_PER_BATCH", 5)
    monkeypatch.setattr("etl.load_events.LINES_REMEMBERED", 2)
    ids = [f"{number:02}" for number in range(20)]
    load(DAY, b"\n".join(line(id_, "old") for id_ in ids))
    load(NEXT_DAY, b"\n".join(line(id_, "new") for id_ in [*ids[5:], *ids[5:]]))
    load(NEXT_DAY, b"\n".join(line(id_, "new") for id_ in ids[15:]))
    assert names(rows) == {id_: "new" if id_ >= "15" else "old" for id_ in ids}


# Any sequence of loads

SOME_LINES = st.lists(
    st.one_of(
        st.builds(
            line,
            st.sampled_from("abc"),
            st.sampled_from(["one", "two"]),
            st.sampled_from(["user_id", "organization_id"]),
        ),
        st.sampled_from([b"{}", b"junk", b'{"event_id": "a"}']),
    ),
    max_size=6,
)


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> dict[date, list[bytes]]:
    """The objects of each day, in place of those in S3: there are many loads to do."""
    of_days: dict[date, list[bytes]] = {}

    def listing(_s3: object, _source: S3Location, day: date) -> Iterator[ListedObject]:
        for number, content in enumerate(of_days[day]):
            yield ListedObject(f"{number}", len(content), "etag")

    def contents(_s3: object, _source: S3Location, day: date, listed: Iterator[ListedObject]) -> Any:
        return ((one, BytesIO(of_days[day][int(one.key)])) for one in listed)

    monkeypatch.setattr("etl.storage.list_objects", listing)
    monkeypatch.setattr("etl.downloads.open_objects", contents)
    return of_days


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(loads=st.lists(st.tuples(st.sampled_from(DAYS), st.lists(SOME_LINES, max_size=2)), max_size=7))
def test_any_loads_leave_what_the_last_ones_of_each_day_leave_in_order(
    objects: dict[date, list[bytes]],
    rows: Rows,
    warehouse: sa.URL,
    loads: list[tuple[date, list[list[bytes]]]],
) -> None:
    with warehouses.transaction(warehouse, exclusive="test") as connection:
        for table in tables.metadata.sorted_tables:
            connection.execute(sa.delete(table))
    now: dict[date, list[bytes]] = {}
    for day, lines_of_objects in loads:
        objects[day] = [b"\n".join(lines) for lines in lines_of_objects if lines]
        load_events(day, S3Location("bucket", ""), warehouse, allow_empty=True)
        now[day] = [one for lines in lines_of_objects for one in lines]
    expected = rules.tables_after([now[day] for day in sorted(now)])
    for table in tables.event_tables.values():
        column = 2 if table is tables.unknown_event else 3
        assert {row[0]: str(row[column]) for row in rows(table)} == expected.get(table.name, {})


# What a load keeps


def test_the_report_and_the_objects_of_a_load_are_kept(load: Load, rows: Rows, source: S3Location) -> None:
    report = load(DAY, b"\n".join([line("a"), b"junk", line("a"), b'{"cut": ']), line("b"))
    ((day, _at, *figures, _seconds, statistics_at),) = rows(tables.day_load)
    assert (day, figures, statistics_at) == (DAY, [5, 1, 2, 2, report.bytes], None)
    assert {row[1]: row[2] for row in rows(tables.day_load_rows)} == report.rows
    listed = list(storage.list_objects(storage.client(), source, DAY))
    assert [row[2:] for row in rows(tables.day_object)] == [tuple(one) for one in listed]
    assert report.objects_digest == digest(reversed(listed))
    key = source.day_prefix(DAY) + "0"
    unknown = {row[2]: row[0] for row in rows(tables.unknown_event)}
    assert rows(tables.malformed_line) == [
        (DAY, 1, key, 2, unknown["junk"], "junk"),
        (DAY, 2, key, 4, unknown['{"cut": '], '{"cut": '),
    ]
    again = load(DAY, line("b"))
    assert again.objects_digest != report.objects_digest
    assert rows(tables.malformed_line) == []
    assert len(rows(tables.day_object)) == len(rows(tables.day_load)) == 1


def test_of_many_malformed_lines_some_are_kept_and_the_beginning_of_each(load: Load, rows: Rows) -> None:
    load(DAY, b"\n".join(b"%d" % number + b"x" * 5_000 for number in range(150)))
    kept = rows(tables.malformed_line)
    assert [row[3] for row in kept] == list(range(1, 101))
    assert {len(row[5]) for row in kept} == {1_000}


# Late data


def test_late_days_are_those_whose_objects_differ(
    load: Load, put: Put, source: S3Location, warehouse: sa.URL
) -> None:
    for day in DAYS:
        load(day, line("a"), line("b"))
    assert late_days(source, warehouse) == []
    put(DAY, "late", line("c"))
    put(NEXT_DAY, "0", line("d"))
    storage.client().delete_object(Bucket=source.bucket, Key=source.day_prefix(THIRD_DAY) + "1")
    expected = [
        LateDay(DAY, [source.day_prefix(DAY) + "late"], [], []),
        LateDay(NEXT_DAY, [], [source.day_prefix(NEXT_DAY) + "0"], []),
        LateDay(THIRD_DAY, [], [], [source.day_prefix(THIRD_DAY) + "1"]),
    ]
    assert late_days(source, warehouse) == expected
    assert late_days(source, warehouse, days=2) == expected[2:]


def test_a_day_is_touched_while_its_windows_hold_one_that_is_loaded_again() -> None:
    until = date(2016, 12, 31)
    touched = touched_days(DAY, NEXT_DAY, until)
    for run_date in days_between(date(2016, 1, 1), until):
        start = min(run_date - timedelta(days=69), month_start(run_date))
        assert (run_date in touched) == (run_date >= DAY and start <= NEXT_DAY)
    assert touched_days(DAY, DAY, NEXT_DAY) == [DAY, NEXT_DAY]
    assert touched_days(NEXT_DAY, NEXT_DAY, DAY) == []
    assert touched_days(date(9999, 12, 30), date(9999, 12, 30), date.max)[-1] == date.max


# The command


@pytest.fixture
def with_statistics(load: Load, warehouse: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three days with their statistics, and a fourth one without."""
    monkeypatch.setenv("ETL_WAREHOUSE_URL", warehouse.render_as_string(hide_password=False))
    add_organization(warehouse)
    for number, day in enumerate(DAYS):
        load(day, line(f"{number}", timestamp=f"{day} 10:00:00"))
        if day != DAYS[-1]:
            organization_stats(day, warehouse)


def logins(rows: Rows) -> dict[date, float]:
    return {
        row[1]: float(row[3]) for row in rows(tables.organization_statistic) if row[2] == "logins_past_week"
    }


def test_a_reload_follows_with_the_statistics_that_the_day_touches(
    with_statistics: None, put: Put, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    assert logins(rows) == {DAY: 1, NEXT_DAY: 2, THIRD_DAY: 3}
    put(NEXT_DAY, "late", line("late", timestamp=f"{NEXT_DAY} 11:00:00"))
    assert cli.main(["reload", "--from", f"{NEXT_DAY}", "--to", f"{NEXT_DAY}", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [one["run_date"] for one in report["loads"]] == [f"{NEXT_DAY}"]
    assert [one["run_date"] for one in report["statistics"]] == [f"{NEXT_DAY}", f"{THIRD_DAY}"]
    assert logins(rows) == {DAY: 1, NEXT_DAY: 3, THIRD_DAY: 4}
    assert [row[-1] is not None for row in rows(tables.day_load)] == [True, True, True, False]


def test_a_reload_that_failed_names_the_day_and_can_be_run_again(
    with_statistics: None, put: Put, rows: Rows, source: S3Location, warehouse: sa.URL
) -> None:
    storage.client().delete_object(Bucket=source.bucket, Key=source.day_prefix(NEXT_DAY) + "0")
    put(DAY, "late", line("late", timestamp=f"{DAY} 11:00:00"))
    with pytest.raises(EtlError, match=f"no objects for {NEXT_DAY}.*the days before it are done"):
        reload(DAY, THIRD_DAY, source, warehouse)
    put(NEXT_DAY, "0", line("1", timestamp=f"{NEXT_DAY} 10:00:00"))
    reload(DAY, THIRD_DAY, source, warehouse)
    assert logins(rows) == {DAY: 2, NEXT_DAY: 3, THIRD_DAY: 4}


def test_a_range_that_ends_before_it_begins_is_a_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reload", "--from", "2016-02-23", "--to", "2016-02-22"]) == 2
    assert "--to 2016-02-22 is before --from 2016-02-23" in capsys.readouterr().err
