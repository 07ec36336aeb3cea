"""The event loading job: one day of JSON lines from S3 into the four event tables."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from time import monotonic
from typing import Any

import sqlalchemy as sa

from etl import downloads, formats, json_text, lines, objects, storage, tables, warehouse
from etl.config import S3Location
from etl.day_rows import DayRows
from etl.errors import EtlError
from etl.event_classes import UNKNOWN_EVENT
from etl.events import classify
from etl.objects import ListedObject
from etl.repeats import Repeats

ROWS_PER_BATCH = 5_000
BYTES_PER_BATCH = 8 * 2**20
# Of the lines read last, twice as many at most; most repetitions of an event stand near each other.
LINES_REMEMBERED = 10_000
BYTES_REMEMBERED = 4 * 2**20
# Of a day, and so many characters of each.
MALFORMED_LINES_KEPT = 100
MALFORMED_CHARACTERS_KEPT = 1_000


@dataclass(frozen=True)
class LoadReport:
    """What one load read and wrote.

    Every line that is not blank is either a row or a duplicate; malformed lines are counted among them.
    Objects that are one JSON array each, and not one event a line, are told by the key of the first.
    The digest of the objects tells whether the day's objects are still those that were loaded.
    """

    run_date: date
    lines: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    malformed: int = 0
    json_arrays: int = 0
    first_json_array: str | None = None
    objects: int = 0
    bytes: int = 0
    seconds: float = 0.0
    objects_digest: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        return asdict(self) | {"run_date": self.run_date.isoformat()}


def load_events(
    run_date: date,
    source: S3Location,
    url: sa.URL,
    *,
    allow_empty: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> LoadReport:
    """Load the events of a day; all of them, or none where it fails.

    A day that was loaded before is left as a first load of the objects that are there now would leave it.

    Args:
        run_date: the UTC day.
        source: where the days lie.
        url: the warehouse.
        allow_empty: whether a day without objects is fine.
        on_progress: called after each object with the objects and lines read so far.

    Raises:
        EtlError: S3 or the warehouse fails, or the day has no objects.
    """
    started = monotonic()
    s3 = storage.client()
    read: list[ListedObject] = []

    def listing() -> Iterator[ListedObject]:
        for listed in storage.list_objects(s3, source, run_date):
            read.append(listed)
            yield listed

    with (
        warehouse.transaction(url, exclusive="load-events") as connection,
        DayRows(connection, run_date) as day_rows,
    ):
        load = _Load(day_rows, nul_fits=warehouse.holds_nul(url))
        arrays: list[str] = []
        for count, (listed, stream) in enumerate(downloads.open_objects(s3, source, run_date, listing()), 1):
            name = storage.object_name(source, run_date, listed.key)
            first = last = b""
            before = 0
            for batch in lines.batches(formats.text_of(stream, listed.size, name), name):
                first, last = first or batch[0], batch[-1]
                load.add(batch, listed.key, before)
                before += len(batch)
            if json_text.is_array_of(first, last):
                arrays.append(listed.key)
            load.bytes += listed.size
            if on_progress:
                on_progress(count, load.lines)
        if not read and not allow_empty:
            raise EtlError(
                f"there are no objects for {run_date} under s3://{source.bucket}/{source.day_prefix(run_date)}"
            )
        rows = load.finish()
        report = LoadReport(
            run_date,
            lines=load.lines,
            rows=rows,
            duplicates=load.lines - sum(rows.values()),
            malformed=load.malformed,
            json_arrays=len(arrays),
            first_json_array=arrays[0] if arrays else None,
            objects=len(read),
            bytes=load.bytes,
            seconds=round(monotonic() - started, 3),
            objects_digest=objects.digest(read),
        )
        _keep(connection, report, read, load.malformed_lines, again=day_rows.loaded_before)
    return report


class _Load:
    """The state of one load: what was read, and the rows that wait to be written.

    Its memory doesn't grow with the day: whether an id was there before, the warehouse knows.
    """

    def __init__(self, day_rows: DayRows, *, nul_fits: bool) -> None:
        self.lines = self.malformed = self.bytes = 0
        # Object, number of the line, id of the unknown event, beginning of the text.
        self.malformed_lines: list[tuple[str, int, str, str]] = []
        self._day_rows = day_rows
        self._nul_fits = nul_fits
        self._read_at = warehouse.utc_now()
        self._repeats = Repeats(LINES_REMEMBERED, BYTES_REMEMBERED)
        # By the table's name, and by the id.
        self._waiting: dict[str, dict[str, warehouse.Row]] = {table: {} for table in tables.event_tables}
        self._waiting_bytes = 0

    def add(self, lines: list[bytes], key: str, before: int) -> None:
        """Take in lines of an object, of those that are not blank; the first one of an id wins.

        Args:
            lines: some of them, as they follow on each other.
            key: the object's.
            before: how many of its lines were taken in before.
        """
        self.lines += len(lines)
        malformed: dict[bytes, warehouse.Row] = {}
        for line in self._repeats.drop_from(lines):
            table, values, is_malformed = classify(line, nul_fits=self._nul_fits)
            if is_malformed:
                malformed[line] = values
            waiting = self._waiting[table]
            if values[0] in waiting:
                continue
            waiting[values[0]] = values
            self._waiting_bytes += len(line)
            if len(waiting) >= ROWS_PER_BATCH:
                self._write(table)
            elif self._waiting_bytes >= BYTES_PER_BATCH:
                self._write_all()
        if malformed:
            # Each of them is counted, repeated or not.
            self._repeats.forget(malformed)
            for number, line in enumerate(lines, before + 1):
                if line in malformed:
                    self._note_malformed(malformed[line], key, number)

    def finish(self) -> dict[str, int]:
        """Write the rows that still wait, and return how many the day has of each kind."""
        self._write_all()
        self._day_rows.finish()
        return self._day_rows.counts

    def _note_malformed(self, values: warehouse.Row, key: str, number: int) -> None:
        self.malformed += 1
        if len(self.malformed_lines) < MALFORMED_LINES_KEPT:
            id_, blob = values
            self.malformed_lines.append((key, number, id_, blob[:MALFORMED_CHARACTERS_KEPT]))

    def _write_all(self) -> None:
        for table in self._waiting:
            self._write(table)
        self._waiting_bytes = 0

    def _write(self, table: str) -> None:
        rows: Collection[warehouse.Row] = self._waiting[table].values()
        if table == UNKNOWN_EVENT:
            rows = [(id_, self._read_at, blob) for id_, blob in rows]
        if rows:
            self._day_rows.add(tables.event_tables[table], list(rows))
        self._waiting[table].clear()


def _keep(
    connection: sa.Connection,
    report: LoadReport,
    read: list[ListedObject],
    malformed_lines: list[tuple[str, int, str, str]],
    *,
    again: bool,
) -> None:
    """Keep the report of a day's load, its objects, and some of its malformed lines."""
    day = report.run_date.isoformat()
    figures = (report.lines, report.duplicates, report.malformed, report.objects, report.bytes)
    loaded = (day, warehouse.utc_now(), *figures, report.seconds, None)
    warehouse.upsert(connection, tables.day_load, [loaded])
    of_day: dict[sa.Table, list[warehouse.Row]] = {
        tables.day_load_rows: [(day, *item) for item in report.rows.items()],
        tables.day_object: [(day, number, *found) for number, found in enumerate(read, 1)],
        tables.malformed_line: [(day, number, *line) for number, line in enumerate(malformed_lines, 1)],
    }
    for table, rows in of_day.items():
        if again:
            connection.execute(sa.delete(table).where(table.c.run_date == report.run_date))
        warehouse.upsert(connection, table, rows)
