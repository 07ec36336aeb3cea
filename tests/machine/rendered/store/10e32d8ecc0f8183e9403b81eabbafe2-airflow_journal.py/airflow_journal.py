# A program of units, and not part of a package.
# ruff: noqa: INP001
"""Tells the journal how bad it is what a program of Python's says.

    python airflow_journal.py (-m MODULE | FILE) ARGUMENT…

In a unit, every line of a log record, of its traceback too, begins with the record's priority, as systemd
takes it from there (sd-daemon(3): ``<3>`` is an error). What else is written to stderr is an error, and to
stdout information. Elsewhere, as in the command ``airflow``, records go to stderr: Airflow writes them to
stdout, in between what it was asked for.

A record is written at once, and begins with its level and, in brackets, its logger: so says the setting
``[logging] log_format``.
"""

import io
import logging
import os
import re
import runpy
import sys
from typing import TextIO

PRIORITIES = {b"DEBUG": 7, b"INFO": 6, b"WARNING": 4, b"ERROR": 3, b"CRITICAL": 2}
RECORD = re.compile(rb"(%s) \[" % b"|".join(PRIORITIES))
FORMAT = "%(levelname)s [%(name)s] %(message)s"
HAS_PRIORITY = re.compile(rb"<[0-7]>")


class Output(io.BufferedIOBase):
    """What stands in the place of the binary stream below stdout or stderr.

    Args:
        stream: that of text, as Python has made it.
    """

    def __init__(self, stream: TextIO) -> None:
        self.name = stream.name
        self.plain = open(stream.fileno(), "wb", closefd=False)  # noqa: SIM115 - for as long as the process

    def writable(self) -> bool:
        """Say so."""
        return True

    def isatty(self) -> bool:
        """Say whether somebody looks on."""
        return self.plain.isatty()

    def fileno(self) -> int:
        """Return the number of the file below."""
        return self.plain.fileno()

    def write(self, data: "bytes | bytearray | memoryview", /) -> int:  # type: ignore[override] # any buffer
        """Write what is one record, or no part of one."""
        self.put(bytes(data))
        return len(data)

    def put(self, data: bytes) -> None:
        """Write to where it belongs."""
        self.plain.write(data)
        self.plain.flush()


class Journal(Output):
    """The journal, which is told the priority of each line.

    Args:
        stream: that of text, as Python has made it.
        otherwise: the priority of what is no record; by default the unit's own.
    """

    def __init__(self, stream: TextIO, otherwise: int | None = None) -> None:
        super().__init__(stream)
        self.otherwise = otherwise

    def put(self, data: bytes) -> None:
        """Write all lines with the priority of the first one."""
        record = RECORD.match(data)
        priority = PRIORITIES[record[1]] if record else self.otherwise
        if priority is not None and not HAS_PRIORITY.match(data):
            data = b"".join(b"<%d>%s" % (priority, line) for line in data.splitlines(keepends=True))
        super().put(data)


class Answer(Output):
    """Where somebody waits for what was asked for: records go to stderr."""

    def put(self, data: bytes) -> None:
        """Write a record to stderr, and all else to where it was to go."""
        if RECORD.match(data):
            sys.stderr.buffer.write(data)
            sys.stderr.flush()
        else:
            super().put(data)


def is_journal(stream: TextIO) -> bool:
    """Say whether a stream is the one to the journal, as systemd.exec(5) has it."""
    status = os.fstat(stream.fileno())
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def lines(output: Output) -> TextIO:
    """Return a stream of text that goes on line by line."""
    return io.TextIOWrapper(output, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def is_pythons(stream: TextIO) -> bool:
    """Say whether a stream is as Python has made it."""
    return isinstance(getattr(stream, "buffer", None), io.BufferedWriter | io.FileIO)


def install() -> None:
    """Have stdout and stderr of this process be so, once."""
    if is_pythons(sys.stderr) and is_journal(sys.stderr):
        sys.stderr = lines(Journal(sys.stderr, otherwise=PRIORITIES[b"ERROR"]))
        # Of records before, or without, any configuration of logging.
        if logging.lastResort:
            logging.lastResort.setFormatter(logging.Formatter(FORMAT))
    if is_pythons(sys.stdout):
        sys.stdout = lines(Journal(sys.stdout) if is_journal(sys.stdout) else Answer(sys.stdout))


def main() -> None:
    """Become the program that the arguments name."""
    install()
    if sys.argv[1] == "-m":
        sys.argv = sys.argv[2:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = sys.argv[1:]
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
