"""`etl migrate`."""

import argparse

from etl import config, warehouse
from etl.cli.output import print_json


def run(arguments: argparse.Namespace) -> None:
    """Create or upgrade the warehouse's tables, or only say what there is to do.

    Args:
        arguments: the command's.
    """
    url = config.warehouse_url()
    if arguments.pending:
        found = warehouse.pending(url)
        if arguments.json:
            print_json({"warehouse": url.render_as_string(), "pending": found})
        else:
            print(*found, sep="\n", end="\n" if found else "")
        return
    ran = warehouse.migrate(url)
    if arguments.json:
        print_json({"warehouse": url.render_as_string(), "migrations": ran})
    else:
        state = f"ran {', '.join(ran)}" if ran else "is up to date"
        print(f"{url.render_as_string()}: {state}")
