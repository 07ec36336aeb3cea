"""What the command `etl` says before it does anything: help, version, completion."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ETL = str(Path(sys.executable).with_name("etl"))
# Each of them takes longer to import than help may take.
SLOW = {"airflow", "alembic", "asyncio", "boto3", "botocore", "msgspec", "rich", "simplejson", "sqlalchemy"}
PROGRAM = """
import sys
from etl.cli import main
try: main(sys.argv[1:])
except SystemExit: pass
print(*sys.modules, file=sys.stderr)
"""


def modules_after(*words: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout
    return {name.partition(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize("words", [["--help"], ["load-events", "--help"], ["--version"]])
def test_help_imports_nothing_that_takes_time(words: list[str]) -> None:
    assert modules_after(*words) & SLOW == set()


def test_every_command_has_help_and_does_something() -> None:
    shown = subprocess.run([ETL, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    commands = [line.split()[0] for line in shown.splitlines() if line.startswith("    ") and line[4] != " "]
    assert {"migrate", "load-events", "organization-stats", "stats", "import-organizations"} <= set(commands)
    for command in commands:
        module = f"etl.cli.{command.replace('-', '_')}"
        assert callable(__import__(module, fromlist=["run"]).run)


def test_the_version_is_the_package_s() -> None:
    done = subprocess.run([ETL, "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("etl ")
    assert done.stdout.split()[1][0].isdecimal()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("etl l", {"load-events"}),
        ("etl load-events --al", {"--allow-empty"}),
        ("etl stats --format ", {"table", "csv", "json"}),
    ],
)
def test_the_shell_completes_words(typed: str, offered: set[str]) -> None:
    done = subprocess.run(
        ["bash", "-c", f'exec 8>&1; "{ETL}" >/dev/null 2>&1 9>&1'],
        env=os.environ
        | {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": typed, "COMP_POINT": str(len(typed))},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert {word.strip() for word in done.stdout.split("\n")} == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell: str) -> None:
    done = subprocess.run([ETL, "completion", shell], capture_output=True, text=True, check=True, timeout=60)
    assert "_ARGCOMPLETE" in done.stdout
