"""What a developer types before there is anything: make, in a copy of the tree."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.audit import PROJECT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with a space in its name, that has what make needs."""
    folder = tmp_path / "a checkout"
    folder.mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(PROJECT / name, folder)
    return folder


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *words], cwd=folder, capture_output=True, text=True, check=False)


def test_help_names_every_target_that_the_readme_does(checkout: Path) -> None:
    shown = make(checkout, "help").stdout
    assert shown == make(checkout).stdout
    told = set(re.findall(r"^ {4}make ([a-z]+)", (PROJECT / "README.md").read_text(), re.MULTILINE))
    assert told
    assert told <= set(re.findall(r"^make ([a-z]+)", shown, re.MULTILINE))


@pytest.mark.parametrize("version", ["3, 10", "3, 15"])
def test_a_wrong_python_is_refused_before_anything_is_made(checkout: Path, version: str) -> None:
    python = checkout / "python-of-another-age"
    python.write_text(
        f'#!/bin/sh\n[ "$1" = -c ] && exec python3 -c "import sys; sys.version_info = ({version}, 0); $2"\n'
    )
    python.chmod(0o755)
    before = sorted(checkout.iterdir())
    done = make(checkout, "setup", f"PYTHON=./{python.name}")
    assert done.returncode != 0
    assert f"./{python.name} is not Python 3.11 to 3.14" in done.stderr
    assert sorted(checkout.iterdir()) == before


def test_clean_leaves_what_was_there_on_the_first_day(checkout: Path) -> None:
    before = sorted(checkout.rglob("*"))
    for folder in (".venv/bin", ".embedded", "workflows/etl/__pycache__"):
        (checkout / folder).mkdir(parents=True)
    make(checkout, "clean")
    left = set(checkout.rglob("*")) - set(before)
    assert left == {checkout / "workflows", checkout / "workflows/etl"}


def test_ctrl_c_ends_make_dev_without_an_error(checkout: Path) -> None:
    python = checkout / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    # As Airflow does, it takes its time to end: make 4.3 loses a child that ends before its own handler runs.
    python.write_text("#!/bin/sh\ntrap 'sleep 0.5; exit 0' INT\necho up\nwhile :; do sleep 0.1; done\n")
    python.chmod(0o755)
    (checkout / ".venv/.installed").touch()
    with subprocess.Popen(
        # A shell gives what it starts in the background a deaf ear.
        ["env", "--default-signal=INT", "make", "dev"],
        cwd=checkout,
        # As where no other make runs it.
        env={name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        # What a terminal does: all of them get it.
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read() == ""
