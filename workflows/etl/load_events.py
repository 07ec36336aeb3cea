"""The event loading job: one day of JSON lines from S3 into the four event tables."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date
from time import monotonic
from typing import Any

import sqlalchemy as sa

from etl import downloads, formats, json_text, lines, storage, tables, warehouse
from etl.config import S3Location
from etl.errors import EtlError
from etl.events import (
    Event,
    OrganizationEvent,
    OrganizationPayment,
    UnknownEvent,
    UserEvent,
    classify,
)

ROWS_PER_BATCH = 10_000
# Of the lines read last; most repetitions of an event stand near each other, letter for letter.
LINES_REMEMBERED = 100_000

TABLE_OF: dict[type[Event], sa.Table] = {
    UserEvent: tables.user_event,
    OrganizationPayment: tables.organization_payment,
    OrganizationEvent: tables.organization_event,
    UnknownEvent: tables.unknown_event,
}


@dataclass(frozen=True)
class LoadReport:
    """What one load read and wrote.

    Every line that is not blank is either a row or a duplicate; malformed lines are counted among them.
    Objects that are one JSON array each, and not one event a line, are told by the key of the first.
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
    with warehouse.transaction(url, exclusive="load-events") as connection:
        load = _Load(connection, nul_fits=warehouse.holds_nul(url))
        arrays: list[str] = []
        listing = storage.list_objects(s3, source, run_date)
        for listed, stream in downloads.open_objects(s3, source, run_date, listing):
            name = storage.object_name(source, run_date, listed.key)
            first = last = b""
            for batch in lines.batches(formats.text_of(stream, listed.size, name), name):
                first, last = first or batch[0], batch[-1]
                for line in batch:
                    load.add(line)
            if json_text.is_array_of(first, last):
                arrays.append(listed.key)
            load.objects, load.bytes = load.objects + 1, load.bytes + listed.size
            if on_progress:
                on_progress(load.objects, load.lines)
        if not load.objects and not allow_empty:
            raise EtlError(
                f"there are no objects for {run_date} under s3://{source.bucket}/{source.day_prefix(run_date)}"
            )
        load.flush()
    return LoadReport(
        run_date,
        lines=load.lines,
        rows={table.name: len(load.seen[kind]) for kind, table in TABLE_OF.items()},
        duplicates=load.duplicates,
        malformed=load.malformed,
        json_arrays=len(arrays),
        first_json_array=arrays[0] if arrays else None,
        objects=load.objects,
        bytes=load.bytes,
        seconds=round(monotonic() - started, 3),
    )


class _Load:
    """The state of one load: what was seen, and the rows that wait to be written.

    Its memory grows with the number of different ids in the day, not with its bytes.
    """

    def __init__(self, connection: sa.Connection, *, nul_fits: bool) -> None:
        self.lines = self.duplicates = self.malformed = self.objects = self.bytes = 0
        self.seen: dict[type[Event], set[str]] = {kind: set() for kind in TABLE_OF}
        self._connection = connection
        self._nul_fits = nul_fits
        self._read_at = warehouse.utc_now()
        self._recent: set[bytes] = set()
        self._waiting: dict[type[Event], list[Event]] = {kind: [] for kind in TABLE_OF}

    def add(self, line: bytes) -> None:
        """Take in one line; the first one of an id wins."""
        self.lines += 1
        if line in self._recent:
            self.duplicates += 1
            return
        event = classify(line, nul_fits=self._nul_fits)
        if isinstance(event, UnknownEvent) and event.malformed:
            self.malformed += 1
        else:
            if len(self._recent) >= LINES_REMEMBERED:
                self._recent.clear()
            self._recent.add(line)
        kind = type(event)
        if event.id in self.seen[kind]:
            self.duplicates += 1
            return
        self.seen[kind].add(event.id)
        waiting = self._waiting[kind]
        waiting.append(event)
        if len(waiting) >= ROWS_PER_BATCH:
            self._write(kind)

    def flush(self) -> None:
        """Write the rows that still wait."""
        for kind in self._waiting:
            self._write(kind)

    def _write(self, kind: type[Event]) -> None:
        rows = [_row(event, self._read_at) for event in self._waiting[kind]]
        if rows:
            warehouse.upsert(self._connection, TABLE_OF[kind], rows)
        self._waiting[kind].clear()


def _row(event: Event, read_at: str) -> warehouse.Row:
    match event:
        case UnknownEvent():
            return (event.id, read_at, event.event_blob)
        case OrganizationPayment():
            return event._replace(payment_amount=str(event.payment_amount))  # type: ignore[arg-type]
        case _:
            return event
