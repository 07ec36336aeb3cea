"""`etl reload`."""

import argparse

from etl import config
from etl.cli.output import print_json, progress
from etl.errors import ConfigError
from etl.reload import reload


def run(arguments: argparse.Namespace) -> None:
    """Load days again, and compute the statistics that they touch.

    Args:
        arguments: the command's.
    """
    if arguments.last < arguments.first:
        raise ConfigError(f"--to {arguments.last} is before --from {arguments.first}")
    with progress("reloading") as update:
        report = reload(
            arguments.first,
            arguments.last,
            config.s3_location(),
            config.warehouse_url(),
            allow_empty=arguments.allow_empty,
            on_progress=lambda job, day, done, steps: update(
                description=f"{job} {day}", completed=done, total=steps
            ),
        )
    if arguments.json:
        print_json(report.as_dict())
        return
    for load in report.loads:
        rows = sum(load.rows.values())
        print(f"{load.run_date}: {load.lines:,} lines of {load.objects:,} objects, {rows:,} rows")
    for statistics in report.statistics:
        print(f"{statistics.run_date}: {statistics.statistics:,} statistics")
    counts = f"{len(report.loads)} days and the statistics of {len(report.statistics)} days"
    print(f"{counts} in {report.seconds:.1f} s")
