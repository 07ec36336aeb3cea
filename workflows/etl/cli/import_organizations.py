"""`etl import-organizations`."""

import argparse

from etl import config
from etl.cli.output import print_json, progress
from etl.import_organizations import import_organizations


def run(arguments: argparse.Namespace) -> None:
    """Bring organizations and their members into the warehouse.

    Args:
        arguments: the command's.
    """
    with progress("reading") as update:
        report = import_organizations(
            arguments.files,
            config.warehouse_url(),
            replace=arguments.replace,
            on_progress=lambda source, rows: update(description=f"reading {source}: {rows:,} rows"),
        )
    if arguments.json:
        print_json(report.as_dict())
        return
    for kind, counts in report.counts.items():
        print(
            f"{kind:<14}{counts.read:>9,} read: {counts.added:,} added, {counts.changed:,} changed, "
            f"{counts.unchanged:,} unchanged, {counts.removed:,} removed"
        )
