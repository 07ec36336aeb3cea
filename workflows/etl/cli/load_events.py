"""`etl load-events`."""

import argparse

from etl import config
from etl.cli.output import print_json, progress
from etl.load_events import load_events


def run(arguments: argparse.Namespace) -> None:
    """Load the events of one day.

    Args:
        arguments: the command's.
    """
    url, source = config.warehouse_url(), config.s3_location()
    with progress("loading") as update:
        report = load_events(
            arguments.run_date,
            source,
            url,
            allow_empty=arguments.allow_empty,
            on_progress=lambda objects, lines: update(
                description=f"loading {arguments.run_date}: {objects:,} objects, {lines:,} lines"
            ),
        )
    if arguments.json:
        print_json(report.as_dict())
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
