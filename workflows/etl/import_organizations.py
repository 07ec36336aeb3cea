"""The import of organizations and their members, which the application knows and the events don't."""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, Any, cast

import sqlalchemy as sa

from etl import formats, storage, tables, warehouse
from etl.config import S3Location
from etl.errors import ConfigError, EtlError
from etl.organization_files import Member, Organization, Reading, Row

SHOWN_BAD_LINES = 20
ROWS_PER_PROGRESS = 10_000
ROWS_PER_STATEMENT = 10_000

# Fields of rows that tell them apart come first, in the tables as in the files.
TABLES: dict[str, tuple[type[Row], sa.Table]] = {
    "organizations": (Organization, tables.organization),
    "members": (Member, tables.organization_user),
}
Key = tuple[int, ...]
OnProgress = Callable[[str, int], None]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Counts:
    """How many rows of a kind were read, and what came of them in the warehouse."""

    read: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0


@dataclass(frozen=True)
class ImportReport:
    """What one import did, by kind, and how many members are of organizations that are not listed."""

    counts: Mapping[str, Counts]
    unlisted_members: int

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        return asdict(self)


@dataclass
class _Found:
    """The rows of all files by kind and key, and the places of lines that can't be used."""

    rows: dict[type[Row], dict[Key, Row]] = field(default_factory=lambda: {Organization: {}, Member: {}})
    places: dict[type[Row], dict[Key, str]] = field(default_factory=lambda: {Organization: {}, Member: {}})
    bad_lines: list[str] = field(default_factory=list)


def import_organizations(
    sources: Sequence[str],
    url: sa.URL,
    *,
    replace: bool = False,
    on_progress: OnProgress | None = None,
) -> ImportReport:
    """Bring organizations and members into the warehouse: all that the files hold, or nothing.

    Args:
        sources: files of CSV or JSON lines, as they are or in gzip or zstd; ``-`` is the standard input,
            ``s3://BUCKET/KEY`` an object.
        url: the warehouse.
        replace: whether organizations that are not in the files go, if the files hold any, and members
            likewise.
        on_progress: called every now and then with the file and the rows read from it.

    Raises:
        ConfigError: a source is no file or key.
        EtlError: lines can't be used, each named in the error's details; a source can't be read, or holds
            nothing that could replace what is there; or the warehouse fails.
    """
    found = _Found()
    for source in sources:
        read = _read(source, found, nul_fits=warehouse.holds_nul(url), on_progress=on_progress)
        if replace and not read and not found.bad_lines:
            raise EtlError(f"{source} holds no rows, so there is nothing to replace others with")
    if found.bad_lines:
        lines = len(found.bad_lines)
        shown = found.bad_lines[:SHOWN_BAD_LINES]
        more = [f"and {lines - len(shown):,} more"] if lines > len(shown) else []
        what = "1 line" if lines == 1 else f"{lines:,} lines"
        raise EtlError(f"{what} can't be used, so nothing was imported:", details=[*shown, *more])
    with warehouse.transaction(url, exclusive="import-organizations") as connection:
        counts = {
            name: _write(connection, table, found.rows[kind], replace=replace and bool(found.rows[kind]))
            for name, (kind, table) in TABLES.items()
        }
        unlisted = _unlisted(connection)
    if unlisted:
        logger.warning(
            "%s members are of organizations that are not listed, such as %s: they count in no statistics",
            len(unlisted),
            unlisted[0],
        )
    return ImportReport(counts, len(unlisted))


def _read(source: str, found: _Found, *, nul_fits: bool, on_progress: OnProgress | None) -> int:
    reading = Reading()
    read = 0
    with _opened(source) as lines:
        for number, row in reading.rows(lines):
            read += 1
            if on_progress and read % ROWS_PER_PROGRESS == 0:
                on_progress(source, read)
            place = f"{source}:{number}"
            kind = type(row)
            key = cast("Key", (row[0],) if kind is Organization else row[:2])
            if not nul_fits and isinstance(row, Organization) and "\0" in row.organization_name:
                reading.bad_lines.append(
                    (number, "has an organization_name with a NUL, which PostgreSQL can't hold")
                )
            elif found.rows[kind].setdefault(key, row) != row:
                first = found.places[kind][key]
                reading.bad_lines.append((number, f"contradicts {first}, which has the same key"))
            else:
                found.places[kind].setdefault(key, place)
    found.bad_lines += [f"{source}:{number} {what}" for number, what in sorted(reading.bad_lines)]
    return read


@contextmanager
def _opened(source: str) -> Iterator[IO[bytes]]:
    """Open what a source holds, decompressed."""
    with _stored(source) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        yield formats.text_of(file, size, "the standard input" if source == "-" else source)


@contextmanager
def _stored(source: str) -> Iterator[IO[bytes]]:
    """Open a source as a file that can be sought."""
    if source == "-":
        if sys.stdin is None:
            raise EtlError("there is no standard input")
        with TemporaryFile() as file:
            copyfileobj(sys.stdin.buffer, file)
            yield file
    elif source.startswith("s3://"):
        bucket, _, key = source.removeprefix("s3://").partition("/")
        if not (bucket and key):
            raise ConfigError(f"{source} names no object: write it as s3://BUCKET/KEY")
        with TemporaryFile() as file:
            with storage.errors_named(S3Location(bucket, key), setting=None):
                copyfileobj(storage.client().get_object(Bucket=bucket, Key=key)["Body"], file)
            yield file
    else:
        try:
            with Path(source).open("rb") as file:
                if file.seekable():
                    yield file
                    return
                with TemporaryFile() as copy:
                    copyfileobj(file, copy)
                    yield copy
        except OSError as error:
            raise EtlError(f"{source} can't be read: {error.strerror}") from error


def _write(connection: sa.Connection, table: sa.Table, rows: Mapping[Key, Row], *, replace: bool) -> Counts:
    """Make the table's rows those of the files; others stay unless they are to be replaced."""
    keys = len(table.primary_key)
    there = {
        tuple(row[:keys]): (*row[:2], *(str(moment) for moment in row[2:]))
        for row in connection.execute(sa.select(table))
    }
    now = warehouse.utc_now()
    added, changed = [], []
    for key, row in rows.items():
        old = there.get(key)
        if old is None:
            added.append((*row[:2], row.created_date or now, row.modified_date or now))
            continue
        new = (*row[:2], row.created_date or old[2], row.modified_date or old[3])
        if new != old:
            changed.append(new if row.modified_date else (*new[:3], now))
    gone = [key for key in there if key not in rows] if replace else []
    # An upsert would keep when the old row was created.
    _delete(connection, table, [*gone, *(tuple(row[:keys]) for row in changed)])
    for written in (added, changed):
        for start in range(0, len(written), ROWS_PER_STATEMENT):
            warehouse.upsert(connection, table, written[start : start + ROWS_PER_STATEMENT])
    return Counts(len(rows), len(added), len(changed), len(rows) - len(added) - len(changed), len(gone))


def _delete(connection: sa.Connection, table: sa.Table, keys: Sequence[Key]) -> None:
    if keys:
        columns = list(table.primary_key)
        named = sa.and_(*(column == sa.bindparam(f"key_{column.name}") for column in columns))
        connection.execute(
            sa.delete(table).where(named),
            [
                {f"key_{column.name}": value for column, value in zip(columns, key, strict=True)}
                for key in keys
            ],
        )


def _unlisted(connection: sa.Connection) -> list[int]:
    member, listed = tables.organization_user.c, tables.organization.c
    query = (
        sa.select(member.organization_id)
        .outerjoin_from(
            tables.organization_user, tables.organization, listed.organization_id == member.organization_id
        )
        .where(listed.organization_id.is_(None))
        .order_by(member.organization_id)
    )
    return list(connection.scalars(query))
