"""What the journal is told of what a unit's program says, and what a command prints where."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.programs import PROGRAMS

LAUNCHER = PROGRAMS / "airflow_journal.py"
# What logs as Airflow is told to, and fails.
PROGRAM = """
import logging
import sys

logging.basicConfig(format="%(levelname)s [%(name)s] %(message)s", level="DEBUG", stream=sys.stdout)
print(sys.argv[1:])
print("two\\nlines")
logging.getLogger("a.b").info("ERROR [c] is what it read")
try:
    raise ValueError("broken")
except ValueError:
    logging.exception("failed")
logging.warning("soon")
print("<4>its own")
print('{"level": "ERROR [a] b"}')
sys.exit("services.airflow: not so")
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    return str(file)


def in_unit(*words: str) -> list[str]:
    """Run a program of Python's with the journal as its output; return the lines that the journal gets."""
    read, write = os.pipe()
    status = os.fstat(write)
    environment = os.environ | {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
    subprocess.run(
        [sys.executable, LAUNCHER, *words], stdout=write, stderr=write, env=environment, check=False
    )
    os.close(write)
    with os.fdopen(read) as journal:
        return journal.read().splitlines()


def test_each_line_of_a_record_has_its_priority(program: str) -> None:
    lines = in_unit(program, "--flag", "word")
    assert lines[:4] == [
        "['--flag', 'word']",
        "two",
        "lines",
        "<6>INFO [a.b] ERROR [c] is what it read",
    ]
    assert lines[4:6] == ["<3>ERROR [root] failed", "<3>Traceback (most recent call last):"]
    end = lines.index("<3>ValueError: broken")
    assert all(line.startswith("<3>") for line in lines[4:end])
    assert lines[end + 1 : end + 4] == [
        "<4>WARNING [root] soon",
        "<4>its own",
        '{"level": "ERROR [a] b"}',
    ]


def test_what_ends_a_program_is_an_error(program: str, tmp_path: Path) -> None:
    assert in_unit(program)[-1] == "<3>services.airflow: not so"
    (tmp_path / "raises.py").write_text("1 / 0")
    lines = in_unit(str(tmp_path / "raises.py"))
    assert lines[-1] == "<3>ZeroDivisionError: division by zero"
    assert all(line.startswith("<3>") for line in lines)


def test_a_warning_is_one_though_nobody_has_configured_logging(tmp_path: Path) -> None:
    (tmp_path / "warns.py").write_text("import logging; logging.getLogger('fab').warning('old')")
    assert in_unit(str(tmp_path / "warns.py")) == ["<4>WARNING [fab] old"]


def test_a_module_is_run_as_python_runs_it() -> None:
    assert in_unit("-m", "json.tool", "--help")[0].startswith("usage: ")


def test_records_are_no_part_of_what_a_command_prints(program: str) -> None:
    done = subprocess.run([sys.executable, LAUNCHER, program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["[]", "two", "lines", "<4>its own", '{"level": "ERROR [a] b"}']
    assert done.stderr.startswith("INFO [a.b] ERROR [c] is what it read\nERROR [root] failed\nTraceback ")
    assert done.stderr.endswith("ValueError: broken\nWARNING [root] soon\nservices.airflow: not so\n")
    assert done.returncode == 1
