# A program of a command, and not part of a package.
# ruff: noqa: INP001
"""The command `airflow`, which refuses what would break an Airflow that runs."""

import sys
from datetime import UTC, datetime

from airflow.__main__ import main
from airflow.cli import cli_parser


def refuse_future(words: list[str]) -> None:
    """Exit where rows are to be deleted that are not there yet: those of the units that run are newest.

    Args:
        words: the command's arguments.
    """
    if words[:2] != ["db", "clean"]:
        return
    cutoff = cli_parser.get_parser().parse_args(words).clean_before_timestamp
    if cutoff > datetime.now(UTC):
        message = f"{cutoff} is in the future; rows of the units that run would be deleted, too"
        sys.stderr.write(f"airflow db clean: {message}: give a time that is past\n")
        sys.exit(2)


if __name__ == "__main__":
    refuse_future(sys.argv[1:])
    main()  # type: ignore[no-untyped-call]
