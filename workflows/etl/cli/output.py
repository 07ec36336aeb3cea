"""What the commands print: results on stdout; progress, notes and errors on stderr."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from etl.errors import EtlError


def use_any_text() -> None:
    """Escape what the streams can't encode, such as a file name that is no UTF-8, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def print_json(value: Any) -> None:
    """Print a result for machines.

    Args:
        value: what JSON can hold.
    """
    print(_as_json(value, sys.stdout))


def flush() -> None:
    """Write what waits to be written, so that an error of it is told as one."""
    if sys.stdout:
        sys.stdout.flush()


def discard() -> None:
    """Throw away what could not be written; Python would complain once more at exit."""
    if sys.stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tell_error(error: EtlError, prefix: str, *, as_json: bool, code: int | None = None) -> None:
    """Print an error: a line and its details for people, one object for machines.

    Args:
        error: the error.
        prefix: what goes before it for people.
        as_json: whether machines read it.
        code: the exit code where it isn't the error's own.
    """
    if as_json:
        told = {"error": str(error), "exit_code": code or error.exit_code}
        text = _as_json(told | ({"details": error.details} if error.details else {}), sys.stderr)
    else:
        text = "\n  ".join([f"{prefix}{error}", *error.details])
    print(text, file=sys.stderr)


def log_as_json() -> None:
    """Have what the jobs log, such as that they wait for a lock, come as JSON too, each in its line."""

    class AsJson(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return _as_json({"note": record.getMessage()}, sys.stderr)

    handler = logging.StreamHandler()
    handler.setFormatter(AsJson())
    logging.getLogger("etl").handlers = [handler]


@contextmanager
def progress(description: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """Show how far the work is, to people only: a log or a pipe sees the result and nothing else.

    Args:
        description: what is done.
        total: how many steps it has, if that is known.

    Yields:
        A function that takes a new ``description`` or ``advance``, a number of steps.
    """
    if not (sys.stderr and sys.stderr.isatty()):
        yield lambda **_: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    counted = (BarColumn(), MofNCompleteColumn()) if total else ()
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), *counted, TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield partial(bar.update, bar.add_task(description, total=total))


def _as_json(value: Any, stream: Any) -> str:
    is_utf8 = stream is not None and stream.encoding.lower().replace("-", "") == "utf8"
    return json.dumps(value, ensure_ascii=not is_utf8)
