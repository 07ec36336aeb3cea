"""A fork: README's example of a class of events and a statistic, followed in a copy of the tree."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from etl import migrations, tables
from etl.config import S3Location

from tests.audit import PROJECT
from tests.conftest import Put

NUMBER = f"{int(migrations.newest()) + 1:04}"
MIGRATION = f"workflows/etl/migrations/versions/{NUMBER}_plans.py"
EVENT = '{"event_id": "%s", "timestamp": "2016-02-22 10:00:00", "organization_id": 1, "event": "plan"%s}\n'
PLAN = ', "extra_data": {"plan": "%s", "seats": %s}'
LINES = [
    EVENT % ("a", PLAN % ("Team", 30)),
    EVENT % ("b", PLAN % ("Enterprise", 12.0)),
    EVENT % ("of another plan", PLAN % ("Gold", 1)),
    EVENT % ("without a plan", ""),
    EVENT % ("of too many seats", PLAN % ("Team", 3_000_000_000)),
]
REPORT = """
import json, sys
from embedded.report import Report, show
from rich.console import Console
load, statistics = map(json.loads, sys.argv[1:])
show(Console(width=200), Report([load], statistics, 1.0, "sqlite:///w.sqlite"))
"""
# Who may see it, and what Airflow has run, are the same in a fork.
PAGE = """
import json
from fastapi.testclient import TestClient
from organizations import app as page
from organizations.access import allowed
page.app.dependency_overrides[allowed] = lambda: None
page.failed_days = frozenset
client = TestClient(page.app)
print(json.dumps({path: client.get(path).text for path in ("/1", "/organizations.csv", "/overview")}))
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def fork(tmp_path: Path) -> Path:
    """The tree with README's example in it."""
    folder = tmp_path / "fork"
    unwanted = shutil.ignore_patterns("__pycache__", "machine", "module", "nixos")
    for name in ("workflows", "tests"):
        shutil.copytree(PROJECT / name, folder / name, ignore=unwanted)
    shutil.copy(PROJECT / "pyproject.toml", folder)
    class_, migration, statistic = re.findall(
        r"^```python\n(.*?)^```$",
        (PROJECT / "README.md").read_text().partition("Say that organizations choose a plan")[2],
        re.DOTALL | re.MULTILINE,
    )
    organization_event = 'EventClass(\n        "organization_event"'
    for name, entry, before in (
        ("event_classes", class_, organization_event),
        ("statistics", statistic, "Monthly("),
    ):
        file = folder / f"workflows/etl/{name}.py"
        file.write_text(file.read_text().replace(f"    {before}", f"{entry.strip()},\n    {before}", 1))
    numbers = {"down_revision": migrations.newest(), "revision": NUMBER}
    for name, number in numbers.items():
        migration = re.sub(f'^{name} = "[0-9]+"$', f'{name} = "{number}"', migration, flags=re.MULTILINE)
    (folder / MIGRATION).write_text(migration)
    return folder


@pytest.fixture
def run(fork: Path, source: S3Location) -> Run:
    """Run a program of Python in the fork, with a warehouse there."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            cwd=fork,
            env=os.environ
            | {
                "PYTHONPATH": f"{fork}/workflows:{fork}/workflows/plugins",
                "ETL_WAREHOUSE_URL": f"sqlite:///{fork}/w.sqlite",
            },
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_class_and_a_statistic_are_loaded_computed_and_shown(run: Run, fork: Path, put: Put) -> None:
    def etl(*words: str) -> str:
        done = run("-m", "etl.cli", *words, "--json")
        assert done.returncode == 0, done.stderr
        return done.stdout

    put(date(2016, 2, 22), "events.json", "".join(LINES).encode())
    (fork / "organizations.csv").write_text("organization_id,organization_name\n1,Acme\n")
    assert json.loads(etl("migrate"))["migrations"][-1] == NUMBER
    etl("import-organizations", "organizations.csv")
    load = etl("load-events", "--run-date", "2016-02-22")
    assert {table: rows for table, rows in json.loads(load)["rows"].items() if rows} == {
        "organization_plan": 2,
        "organization_event": 2,
        "unknown_event": 1,
    }
    etl("organization-stats", "--run-date", "2016-02-22")
    statistics = etl("stats")
    assert {row["statistic"]: row["value"] for row in json.loads(statistics)} == {"seats_past_month": 42}
    shown = run("-c", REPORT, load, statistics)
    assert shown.returncode == 0, shown.stderr
    assert "plan" in shown.stdout
    assert "seats" in shown.stdout
    (acme,) = [line.split() for line in shown.stdout.splitlines() if "Acme" in line]
    assert "42" in acme
    page = run("-c", PAGE)
    assert page.returncode == 0, page.stderr
    pages = json.loads(page.stdout.splitlines()[-1])
    assert "seats" in pages["/1"].lower()
    (row,) = csv.DictReader(pages["/organizations.csv"].splitlines())
    assert float(row["seats_past_month"]) == 42
    assert "organization plan" in pages["/overview"].lower().replace("_", " ")


def test_the_projects_own_tests_pass_beside_another_class(run: Run, fork: Path) -> None:
    # Not all of them, which would take minutes: those of the classes by name, and one load.
    done = run(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "--warehouse", f"sqlite:///{fork}/own.sqlite"),
        *("tests/unit/test_events.py", "tests/unit/test_sample_data.py", "tests/unit/test_report.py"),
        *("tests/integration/test_load_events.py", "-k"),
        "user_event or payment or organization_event or unknown or every or each_class or networks",
    )
    assert done.returncode == 0, done.stdout


def test_a_missing_migration_is_named(run: Run, fork: Path) -> None:
    (fork / MIGRATION).unlink()
    done = run(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "--warehouse", f"sqlite:///{fork}/own.sqlite"),
        *("tests/integration/test_warehouse.py", "-k", "migrations_make_the_tables"),
    )
    assert done.returncode == 1
    assert "organization_plan" in done.stdout
    assert "needs a migration" in done.stdout


def test_this_tree_has_no_such_class() -> None:
    assert "organization_plan" not in tables.event_tables
