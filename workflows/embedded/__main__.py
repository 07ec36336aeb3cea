"""The commands behind `make run` and `make dev`."""

import argparse
import json
import re
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import date
from pathlib import Path
from types import FrameType

from rich.console import Console

from embedded.errors import EmbeddedError, UsageError
from embedded.following import follow
from embedded.leash import adopt_orphans, kill_descendants
from embedded.pipeline import Plan, pipeline
from embedded.progress import Display
from embedded.report import collect, show
from embedded.state import State, clean_state

FIRST_DAY = date(2016, 2, 22)
MOST_DAYS = 366
WEB_PORT = 8080
DEV_CHECK_SECONDS = 1.0


class Stopped(BaseException):
    """The process was told to stop."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number


def main(argv: Sequence[str] | None = None) -> int:
    """Run the pipeline over sample days.

    Args:
        argv: the arguments; by default the process's own.

    Returns:
        0 if every day succeeded, 1 if not, 2 for a wrong argument, 128 and the signal's number for a stop.
    """
    arguments = _parser().parse_args(argv)
    notes = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
    adopt_orphans()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        days = _days(arguments.days)
        with clean_state(arguments.state) as state:
            _run(state, days, arguments, notes)
    except EmbeddedError as error:
        notes.print(f"make {arguments.command}: {error}", style="red")
        return error.exit_code
    except Stopped as stop:
        notes.print(f"make {arguments.command}: stopped; nothing is left running")
        return stop.exit_code
    finally:
        kill_descendants()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="embedded", description=__doc__)
    parser.add_argument("command", choices=("run", "dev"), help="dev stays up, with Airflow's web page")
    parser.add_argument("--days", default="5", help=f"how many days, 1 to {MOST_DAYS} (default 5)")
    parser.add_argument(
        "--state", type=Path, default=Path(".embedded"), help="where it writes, and nowhere else"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def _days(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MOST_DAYS:
        raise UsageError(f"DAYS={text} is not a whole number from 1 to {MOST_DAYS}")
    return int(text)


def _stop(number: int, _frame: FrameType | None) -> None:
    # Once is enough: what follows is the cleaning up.
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise Stopped(number)


def _run(state: State, days: int, arguments: argparse.Namespace, notes: Console) -> None:
    started = time.monotonic()
    stays = arguments.command == "dev"
    with ExitStack() as stack:
        with Display(notes, days) as display:
            # One day more: its objects are the sign that the last day is complete.
            plan = Plan(FIRST_DAY, days + 1, web_port=WEB_PORT if stays else 0)
            parts = stack.enter_context(pipeline(state, plan, display.step))
            follow(parts, days, display.move)
        report = collect(parts, days, time.monotonic() - started)
        if arguments.json:
            sys.stdout.write(json.dumps(report.as_dict(), ensure_ascii=False) + "\n")
        else:
            show(Console(highlight=False, markup=False, emoji=False, soft_wrap=True), report)
        sys.stdout.flush()
        if not stays:
            notes.print(
                "`make dev` does the same, and stays up with Airflow's web page, in which account managers "
                "look at the statistics."
            )
            return
        # That is how it is meant to end.
        with suppress(Stopped):
            if not parts.api.url.endswith(f":{WEB_PORT}"):
                notes.print(f"Port {WEB_PORT} is taken by another program, so the page has another one.")
            notes.print(
                f"Airflow's web page is {parts.api.url}/dags/daily_etls, "
                f"the statistics are {parts.api.url}/plugin/organizations: "
                f"user admin, password {parts.password}. Ctrl-C ends it all."
            )
            while True:
                parts.processes.check()
                time.sleep(DEV_CHECK_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
