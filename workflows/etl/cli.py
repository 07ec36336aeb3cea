"""The command `etl`: the jobs, the warehouse's tables, and sample data."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from etl import config, sample_data, storage, tables, warehouse
from etl.errors import ConfigError, EtlError
from etl.load_events import load_events
from etl.organization_stats import organization_stats

INTERRUPTED = 130
# Progress is for people; a log or a pipe sees only the result.
notes = Console(stderr=True, quiet=not sys.stderr.isatty())


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after `etl`; by default the process's own.

    Returns:
        The exit code: 0, 1 for a failure, 2 for a wrong argument or setting.
    """
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], None] = arguments.run
    try:
        run(arguments)
        sys.stdout.flush()
    except EtlError as error:
        print(f"etl {arguments.command}: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(f"etl {arguments.command}: interrupted; nothing of it was kept", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="etl",
        description="Events from S3 into a warehouse, and statistics per organization from it.",
        epilog="Settings: ETL_WAREHOUSE_URL, ETL_S3_BUCKET, ETL_S3_PREFIX, and the AWS_* variables.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], None], summary: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary)
        added.add_argument("--json", action="store_true", help="print the result as JSON")
        added.set_defaults(run=run)
        return added

    command("migrate", _migrate, "create or upgrade the warehouse's tables")

    loading = command("load-events", _load_events, "load the events of one day")
    _add_run_date(loading)
    loading.add_argument("--allow-empty", action="store_true", help="let a day without objects pass")

    _add_run_date(command("organization-stats", _organization_stats, "compute the statistics of one day"))

    showing = command("stats", _stats, "show the statistics of one day")
    _add_run_date(showing)
    showing.add_argument("--organization", type=int, metavar="ID", help="of this organization only")

    sample = command("sample-data", _sample_data, "write sample events, organizations and members")
    sample.add_argument("--days", type=_positive, default=10, help="how many days (default 10)")
    sample.add_argument(
        "--start", type=_date, default=date(2016, 2, 21), help="the first (default 2016-02-21)"
    )
    sample.add_argument(
        "--events-per-day", type=_positive, default=500, help="different events a day (default 500)"
    )
    sample.add_argument("--seed", type=int, default=1, help="which sample (default 1)")
    place = sample.add_mutually_exclusive_group()
    place.add_argument(
        "--s3", action="store_true", help="events into the S3 bucket, the rest into the warehouse (default)"
    )
    place.add_argument("--dir", type=Path, metavar="DIR", help="everything into files under this folder")
    return parser


def _add_run_date(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run-date", type=_date, required=True, metavar="YYYY-MM-DD", help="the day, in UTC")


def _date(text: str) -> date:
    try:
        return config.parse_run_date(text)
    except EtlError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def _migrate(arguments: argparse.Namespace) -> None:
    url = config.warehouse_url()
    ran = warehouse.migrate(url)
    if arguments.json:
        _print_json({"warehouse": url.render_as_string(), "migrations": ran})
    else:
        state = f"ran {', '.join(ran)}" if ran else "is up to date"
        print(f"{url.render_as_string()}: {state}")


def _load_events(arguments: argparse.Namespace) -> None:
    url, source = config.warehouse_url(), config.s3_location()
    with _progress("loading", SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()) as (
        progress,
        task,
    ):
        report = load_events(
            arguments.run_date,
            source,
            url,
            allow_empty=arguments.allow_empty,
            on_progress=lambda objects, lines: progress.update(
                task, description=f"loading {arguments.run_date}: {objects:,} objects, {lines:,} lines"
            ),
        )
    if arguments.json:
        _print_json(report.as_dict())
        return
    print(
        f"{report.run_date}: {report.lines:,} lines of {report.objects:,} objects ({report.bytes:,} bytes) "
        f"in {report.seconds:.1f} s"
    )
    for name, rows in report.rows.items():
        print(f"  {name:<22}{rows:>12,} rows")
    print(f"  {'duplicates':<22}{report.duplicates:>12,}")
    print(f"  {'malformed':<22}{report.malformed:>12,} kept as unknown_event")
    if report.json_arrays:
        arrays = f"objects, such as {report.first_json_array}: write one event a line"
        print(f"  {'JSON arrays':<22}{report.json_arrays:>12,} {arrays}")


def _organization_stats(arguments: argparse.Namespace) -> None:
    report = organization_stats(arguments.run_date, config.warehouse_url())
    if arguments.json:
        _print_json(report.as_dict())
    else:
        print(
            f"{report.run_date}: {report.statistics:,} statistics of {report.organizations:,} organizations "
            f"in {report.seconds:.1f} s"
        )


def _stats(arguments: argparse.Namespace) -> None:
    rows = _read_statistics(config.warehouse_url(), arguments.run_date, arguments.organization)
    if arguments.json:
        _print_json([row | {"value": float(row["value"])} for row in rows])
        return
    if not rows:
        print(f"no statistics for {arguments.run_date}: `etl organization-stats` computes them")
        return
    table = Table("id", "organization", "statistic", title=f"Statistics of {arguments.run_date}")
    table.add_column("value", justify="right")
    for row in rows:
        table.add_row(
            str(row["organization_id"]), row["organization_name"], row["statistic"], f"{row['value']:,.2f}"
        )
    Console(highlight=False, markup=False).print(table)


def _read_statistics(url: sa.URL, run_date: date, organization_id: int | None) -> list[dict[str, Any]]:
    statistic, organization = tables.organization_statistic, tables.organization
    query = (
        sa.select(
            statistic.c.organization_id,
            organization.c.organization_name,
            statistic.c.statistic,
            statistic.c.value,
        )
        .join(organization, organization.c.organization_id == statistic.c.organization_id)
        .where(statistic.c.day == run_date)
        .order_by(statistic.c.organization_id, statistic.c.statistic)
    )
    with warehouse.transaction(url) as connection:
        if organization_id is not None:
            known = sa.select(organization).where(organization.c.organization_id == organization_id)
            if connection.execute(known).first() is None:
                raise EtlError(f"there is no organization {organization_id} in the warehouse")
            query = query.where(statistic.c.organization_id == organization_id)
        return [dict(row) for row in connection.execute(query).mappings()]


def _sample_data(arguments: argparse.Namespace) -> None:
    if arguments.days > (config.LATEST_RUN_DATE - arguments.start).days:
        raise ConfigError(f"{arguments.days} days from {arguments.start} go beyond {config.LATEST_RUN_DATE}")
    days = [arguments.start + timedelta(days=n) for n in range(arguments.days)]
    organizations = sample_data.organizations(arguments.seed)
    members = sample_data.organization_users(arguments.seed)
    if arguments.dir:
        write, place = _into_folder(arguments.dir), str(arguments.dir)
        for table, rows in ((tables.organization, organizations), (tables.organization_user, members)):
            header = tuple(column.name for column in table.columns)
            write(f"{table.name}.csv", sample_data.as_csv(header, rows))
    else:
        location = config.s3_location()
        url = config.warehouse_url()
        with warehouse.transaction(url, exclusive="sample-data") as connection:
            warehouse.upsert(connection, tables.organization, organizations)
            warehouse.upsert(connection, tables.organization_user, members)
        write, place = _into_s3(location), f"s3://{location.bucket}/{location.prefix}"
    objects = size = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _progress("writing days", *columns, total=len(days)) as (progress, task):
        for day in days:
            for item in sample_data.day_objects(day, arguments.events_per_day, arguments.seed):
                write(f"{day:%Y/%m/%d}/{item.name}", item.content)
                objects, size = objects + 1, size + len(item.content)
            progress.advance(task)
    result = {
        "place": place,
        "days": len(days),
        "objects": objects,
        "bytes": size,
        "organizations": len(organizations),
        "members": len(members),
    }
    if arguments.json:
        _print_json(result)
    else:
        print(
            f"{place}: {len(days)} days from {days[0]}, {objects} objects, {size:,} bytes; "
            f"{len(organizations)} organizations with {len(members)} members"
        )


def _into_folder(folder: Path) -> Callable[[str, bytes], None]:
    def write(name: str, content: bytes) -> None:
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise EtlError(f"{path} can't be written: {error.strerror}") from error

    return write


def _into_s3(location: config.S3Location) -> Callable[[str, bytes], None]:
    s3 = storage.client()
    with storage.errors_named(location):
        storage.make_bucket(s3, location.bucket)

    def write(name: str, content: bytes) -> None:
        with storage.errors_named(location):
            s3.put_object(Bucket=location.bucket, Key=location.key(name), Body=content)

    return write


@contextmanager
def _progress(description: str, *columns: Any, total: int | None = None) -> Iterator[tuple[Progress, Any]]:
    with Progress(*columns, console=notes, transient=True) as progress:
        yield progress, progress.add_task(description, total=total)


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False))
