"""What is measured: each function returns the figure of a row of the table, and what it is made of."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from io import BytesIO
from itertools import count, pairwise
from pathlib import Path
from time import process_time
from typing import IO, Any, NamedTuple
from unittest.mock import patch

import sqlalchemy as sa
from etl import downloads, events, storage, tables, warehouse
from etl.config import S3Location
from etl.load_events import BYTES_REMEMBERED, LINES_REMEMBERED, load_events
from etl.objects import ListedObject
from etl.organization_stats import organization_stats
from etl.repeats import Repeats
from etl.statistics import statistics_of

from tests.bench import page, references, years
from tests.bench.data import FIRST, Days, logins
from tests.bench.mysql_server import OpenMysql
from tests.bench.s3_server import BUCKET, kept, s3_server
from tests.bench.timing import least_seconds, median_seconds, run

ETL = str(Path(sys.executable).with_name("etl"))
SOURCE = S3Location(BUCKET, "bench")
OBJECTS = 1_000
# One by one they take long, and each as long as the others.
OBJECTS_ONE_BY_ONE = 200
LATENCY_SECONDS = 0.025
ORGANIZATIONS, MEMBERS_EACH = 500, 4
HISTORIES = 50
# The page's: as many organizations as it is made for, and as many days as fit into a machine's memory.
LISTED, LISTED_DAYS = 10_000, 35
LINES_PER_OBJECT = 100_000


class Figure(NamedTuple):
    """A row's figure, and in words what it is made of."""

    value: float
    details: str


# Programs


def command_start(_: Days) -> Figure:
    """Return the CPU seconds of ``etl --help``."""
    return Figure(statistics.median(run([ETL, "--help"], os.environ).cpu for _ in range(5)), "of CPU")


def small_load(data: Days) -> Figure:
    """Return the CPU seconds of ``etl load-events`` for a day."""
    day, contents = next(iter(data.objects.items()))
    with _programs(_by_key(day, contents)) as variables:
        load = [ETL, "load-events", "--run-date", str(day), "--json"]
        spent = [run(load, variables).cpu for _ in range(5)]
    return Figure(statistics.median(spent), f"of CPU, {sum(map(len, contents)) / 1e6:.1f} MB into SQLite")


def memory(_: Days) -> Figure:
    """Return the largest memory of a day of a million lines, in megabytes."""
    found = [_memory(lines) for lines in (1_000_000, 5_000_000)]
    return Figure(found[0], f"{found[1]:.0f} MB with 5,000,000 lines")


def _memory(lines: int) -> float:
    size = len(next(logins(0, 1)))
    objects = {
        f"{SOURCE.day_prefix(FIRST)}{first:09d}": (
            size * LINES_PER_OBJECT,
            partial(_joined_logins, first, LINES_PER_OBJECT),
        )
        for first in range(0, lines, LINES_PER_OBJECT)
    }
    with _programs(objects) as variables:
        return run([ETL, "load-events", "--run-date", str(FIRST), "--json"], variables).megabytes


def _joined_logins(first: int, number: int) -> bytes:
    return b"".join(logins(first, number))


@contextmanager
def _programs(objects: Any) -> Iterator[dict[str, str]]:
    """Serve objects, and make an empty warehouse; yield the variables of programs that use both."""
    with s3_server(objects) as url, tempfile.TemporaryDirectory() as folder:
        variables = dict(os.environ) | _s3_variables(url)
        variables["ETL_WAREHOUSE_URL"] = f"sqlite:///{folder}/warehouse.sqlite"
        run([ETL, "migrate", "--json"], variables)
        yield variables


def _s3_variables(url: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "ETL_S3_BUCKET": SOURCE.bucket,
        "ETL_S3_PREFIX": SOURCE.prefix,
    }


def a_day(_: Days) -> Figure:
    """Return the seconds of a day of ``make run``, from one load to the next."""
    days = 12
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "embedded", "run", "--days", str(days), "--state", folder, "--json"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        engine = sa.create_engine(f"sqlite:///{folder}/airflow/airflow.db")
        query = (
            "SELECT strftime('%J', start_date) * 86400 FROM task_instance "
            "WHERE task_id = 'etl_load_events' AND state = 'success' ORDER BY start_date"
        )
        with engine.connect() as connection:
            starts = connection.execute(sa.text(query)).scalars().all()
        engine.dispose()
    # The first ones come while the parts of Airflow still start.
    taken = statistics.median(after - before for before, after in pairwise(starts[3:]))
    return Figure(taken, f"the median of {days - 4} days")


# Reading


def classifier(data: Days) -> Figure:
    """Return how many times the speed of the reference a load reads lines with, repeated ones dropped."""
    days = [
        [[line for line in content.splitlines() if line.strip()] for content in contents]
        for contents in data.objects.values()
    ]

    def ours() -> None:
        for objects in days:
            repeats = Repeats(LINES_REMEMBERED, BYTES_REMEMBERED)
            for lines in objects:
                for line in repeats.drop_from(lines):
                    events.classify(line)

    def reference() -> None:
        for objects in days:
            for lines in objects:
                for line in lines:
                    references.classify(line)

    fast, slow = median_seconds(ours, reference, clock=process_time)
    lines = len(data.lines())
    return Figure(slow / fast, f"{lines / fast:,.0f} against {lines / slow:,.0f} lines/s")


def many_objects(data: Days) -> Figure:
    """Return how many times faster than one by one many small objects come."""
    contents = _many(data)
    with _client(contents) as s3:
        listed = list(storage.list_objects(s3, SOURCE, FIRST))

        def ours() -> None:
            for _, stream in downloads.open_objects(s3, SOURCE, FIRST, iter(listed)):
                stream.read()

        def one_by_one() -> None:
            for found in listed[:OBJECTS_ONE_BY_ONE]:
                s3.get_object(Bucket=SOURCE.bucket, Key=found.key)["Body"].read()

        fast, slow = median_seconds(ours, one_by_one, times=3)
    each = slow / OBJECTS_ONE_BY_ONE
    return Figure(each * len(listed) / fast, f"{len(listed) / fast:,.0f} against {1 / each:.0f} objects/s")


def together(data: Days) -> Figure:
    """Return how long S3 and MySQL take together, against the slower of them alone."""
    contents = _many(data)
    with OpenMysql() as mysql, _client(contents) as s3:
        listed = list(storage.list_objects(s3, SOURCE, FIRST))
        here = [(found, contents[number]) for number, found in enumerate(listed)]

        def only_s3() -> None:
            for _, stream in downloads.open_objects(s3, SOURCE, FIRST, iter(listed)):
                stream.read()

        def both() -> None:
            load_events(FIRST, SOURCE, mysql.empty())

        def only_mysql() -> None:
            _load(FIRST, here, mysql.empty())

        s3_alone, mysql_alone, taken = median_seconds(only_s3, only_mysql, both, times=3)
    slower = max(s3_alone, mysql_alone)
    return Figure(taken / slower, f"{taken:.2f} s; S3 {s3_alone:.2f} s, MySQL {mysql_alone:.2f} s")


def _many(data: Days) -> list[bytes]:
    """Cut the data's objects into as many as are wanted, whose lines follow on each other."""
    lines = data.lines()
    ends = [len(lines) * number // OBJECTS for number in range(OBJECTS + 1)]
    return [b"\n".join(lines[start:end]) + b"\n" for start, end in pairwise(ends)]


@contextmanager
def _client(contents: list[bytes]) -> Iterator[Any]:
    with (
        s3_server(_by_key(FIRST, contents), LATENCY_SECONDS) as url,
        patch.dict(os.environ, _s3_variables(url)),
    ):
        yield storage.client()


def _by_key(day: date, contents: list[bytes]) -> Any:
    return {f"{SOURCE.day_prefix(day)}{n:06d}": kept(content) for n, content in enumerate(contents)}


# Writing


def _load(day: date, objects: list[tuple[ListedObject, bytes]], url: sa.URL) -> None:
    """Load a day without S3: its objects are here."""
    contents = dict(objects)

    def opened(*given: Any) -> Iterator[tuple[ListedObject, IO[bytes]]]:
        return ((listed, BytesIO(contents[listed])) for listed in given[-1])

    with (
        patch.object(storage, "client"),
        patch.object(storage, "list_objects", return_value=iter(contents)),
        patch.object(downloads, "open_objects", opened),
    ):
        load_events(day, SOURCE, url)


def _listed(contents: list[bytes]) -> list[tuple[ListedObject, bytes]]:
    return [(ListedObject(f"{n:06d}", len(content), str(n)), content) for n, content in enumerate(contents)]


def into_sqlite(data: Days) -> Figure:
    """Return the speed of one load into SQLite, as a part of that of prepared rows."""
    objects = _listed(data.all_objects())
    with tempfile.TemporaryDirectory() as folder:
        files = (sa.URL.create("sqlite", database=f"{folder}/{number}.sqlite") for number in count())
        rows = _rows_after(partial(_load, FIRST, objects), next(files))

        def empty() -> sa.URL:
            url = next(files)
            warehouse.migrate(url)
            return url

        def prepared() -> None:
            with warehouse.transaction(empty(), exclusive="bench") as connection:
                references.insert_prepared(connection, rows)

        ours, reference, making = median_seconds(lambda: _load(FIRST, objects, empty()), prepared, empty)
    return _part(len(data.lines()), ours - making, reference - making)


def into_mysql(data: Days) -> Figure:
    """Return the speed of one load into MySQL, as a part of that of LOAD DATA of prepared rows."""
    objects = _listed(data.all_objects())
    return _against_load_data(data, lambda url: _load(FIRST, objects, url))


def into_mysql_daily(data: Days) -> Figure:
    """Return the speed of daily loads into MySQL, as a part of that of LOAD DATA of all rows at once."""
    days = {day: _listed(contents) for day, contents in data.objects.items()}

    def load(url: sa.URL) -> None:
        for day, objects in days.items():
            _load(day, objects, url)

    return _against_load_data(data, load)


def _against_load_data(data: Days, load: Callable[[sa.URL], None]) -> Figure:
    with OpenMysql() as mysql:
        mysql.prepare(_rows_after(load, mysql.empty()))
        ours, reference, emptying = median_seconds(
            lambda: load(mysql.empty()), lambda: mysql.load_prepared(mysql.empty()), mysql.empty, times=3
        )
    return _part(len(data.lines()), ours - emptying, reference - emptying)


def _rows_after(load: Callable[[sa.URL], None], url: sa.URL) -> references.Rows:
    warehouse.migrate(url)
    load(url)
    with warehouse.transaction(url) as connection:
        return references.rows_of(connection)


def _part(lines: int, ours: float, reference: float) -> Figure:
    return Figure(reference / ours, f"{lines / ours:,.0f} against {lines / reference:,.0f} lines/s")


# Statistics


def history(data: Days) -> Figure:
    """Return how long statistics take with fifty times the history, against once."""
    last = max(data.objects)
    with OpenMysql() as mysql:
        url = mysql.empty()
        for day, contents in data.objects.items():
            _load(day, _listed(contents), url)
        with warehouse.transaction(url, exclusive="bench") as connection:
            _add_organizations(connection)
        once = least_seconds(lambda: organization_stats(last, url))
        for number in range(1, HISTORIES):
            mysql.add_history(url, timedelta(days=len(data.objects) * number), number)
        fifty = least_seconds(lambda: organization_stats(last, url))
        scans = mysql.full_scans(url, statistics_of(last))
    told = f"full scans of {', '.join(scans)}" if scans else "no full scan"
    return Figure(fifty / once, f"{fifty:.3f} against {once:.3f} s, {told}")


def _add_organizations(connection: sa.Connection) -> None:
    now = "2016-01-01 00:00:00"
    ids = range(1, ORGANIZATIONS + 1)
    warehouse.upsert(connection, tables.organization, [(n, f"Organization {n}", now, now) for n in ids])
    members = [(n, n * MEMBERS_EACH + member, now, now) for n in ids for member in range(MEMBERS_EACH)]
    warehouse.upsert(connection, tables.organization_user, members)


# The page


def the_page(_: Days) -> Figure:
    """Return the 95th percentile of the slowest of the page's addresses, in milliseconds."""
    with OpenMysql() as mysql:
        years.fill(mysql.url, LISTED, LISTED_DAYS)
        with page.opened(mysql.url) as opened:
            address, late, median = page.slowest(opened)
            table = statistics.median(page.milliseconds(opened, page.WHOLE_TABLE, 5))
    return Figure(
        late, f"of {address}; the median of all {median:.0f} ms, the whole table as CSV {table:.0f} ms"
    )
