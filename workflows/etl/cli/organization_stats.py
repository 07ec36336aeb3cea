"""`etl organization-stats`."""

import argparse

from etl import config
from etl.cli.output import print_json
from etl.organization_stats import organization_stats


def run(arguments: argparse.Namespace) -> None:
    """Compute the statistics of one day.

    Args:
        arguments: the command's.
    """
    report = organization_stats(arguments.run_date, config.warehouse_url())
    if arguments.json:
        print_json(report.as_dict())
    else:
        print(
            f"{report.run_date}: {report.statistics:,} statistics of {report.organizations:,} organizations "
            f"in {report.seconds:.1f} s"
        )
