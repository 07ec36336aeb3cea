"""The words that the command `etl` understands. Imports nothing that takes time."""

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

from etl import config
from etl.errors import ConfigError, EtlError

STATISTICS_FORMATS = ("table", "csv", "json")
SHELLS = ("bash", "zsh", "fish")


class UsageError(ConfigError):
    """The words make no command."""

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"{self.format_usage()}{self.prog}: ")


class _Version(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        _namespace: argparse.Namespace,
        _values: str | Sequence[Any] | None,
        _option_string: str | None = None,
    ) -> None:
        from importlib.metadata import version

        print(f"etl {version('etl')}")
        parser.exit()


def build() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = _Parser(
        prog="etl",
        description="Events from S3 into a warehouse, and statistics per organization from it.",
        epilog="Settings: ETL_WAREHOUSE_URL, ETL_S3_BUCKET, ETL_S3_PREFIX, and the AWS_* variables.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        added.add_argument("--json", action="store_true", help="print the result, and errors, as JSON")
        return added

    migrating = command("migrate", "create or upgrade the warehouse's tables")
    migrating.add_argument(
        "--pending",
        action="store_true",
        help="change nothing; name the migrations that would run, one a line",
    )

    importing = command("import-organizations", "bring organizations and their members into the warehouse")
    importing.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="CSV with a header, or JSON lines: of organization_id and organization_name, or of "
        "organization_id and user_id; - is the standard input, s3://BUCKET/KEY an object",
    )
    importing.add_argument(
        "--replace",
        action="store_true",
        help="remove the organizations that are not in the files, if they hold any, and the members likewise",
    )

    loading = command("load-events", "load the events of one day")
    _add_run_date(loading, required=True)
    loading.add_argument("--allow-empty", action="store_true", help="let a day without objects pass")

    _add_run_date(command("organization-stats", "compute the statistics of one day"), required=True)

    again = command(
        "reload", "load days again, and the statistics of every day that they touch and that had some"
    )
    for option, which in (("--from", "first"), ("--to", "last")):
        again.add_argument(
            option,
            dest=which,
            type=_date,
            required=True,
            metavar="YYYY-MM-DD",
            help=f"the {which} day, in UTC",
        )
    again.add_argument("--allow-empty", action="store_true", help="let days without objects pass")

    showing = command("stats", "show the statistics of one day")
    _add_run_date(showing, required=False)
    showing.add_argument("--organization", metavar="ID|NAME", help="of this organization only")
    showing.add_argument(
        "--format", choices=STATISTICS_FORMATS, help="how (default table; --json is --format json)"
    )

    uploading = command("upload", "copy local files to where the days lie in S3")
    uploading.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="named after its day: YYYY-MM-DD, then anything"
    )

    sample = command("sample-data", "write sample events, organizations and members")
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

    completion = command("completion", "print what makes a shell complete the words of this command")
    completion.add_argument("shell", choices=SHELLS, help='for bash: eval "$(etl completion bash)"')
    return parser


def _add_run_date(parser: argparse.ArgumentParser, *, required: bool) -> None:
    text = "the day, in UTC" + ("" if required else " (default: the newest that has any)")
    parser.add_argument("--run-date", type=_date, required=required, metavar="YYYY-MM-DD", help=text)


def _date(text: str) -> date:
    try:
        return config.parse_run_date(text)
    except EtlError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text: str) -> int:
    # More digits than these would be refused by int, in its own words.
    if not (text.isascii() and text.isdecimal() and len(text) < sys.int_info.str_digits_check_threshold):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    if not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)
