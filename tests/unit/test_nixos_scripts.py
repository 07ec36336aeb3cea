"""What the NixOS test driver checks of a script before it runs it: names that nobody has made, and types."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.machine.driver import PRELUDE, SCRIPTS, machine_hosts

NAMES = sorted(script.stem for script in SCRIPTS.glob("*.py"))
# The names that the driver gives to every script, and their types.
GIVEN = """
import unittest as _unittest
from collections.abc import Callable as _Callable
from contextlib import AbstractContextManager as _Context
from typing import cast as _cast
from tests.machine.machine import Machine as _Machine
from tests.machine.machine import retry

class _Container(_Machine):
    # It has none of what only a virtual machine can do.

    connect = crash = get_console_log = reboot = wait_for_console_text = None


OPERATIONS = ""
start_all = _cast("_Callable[[], None]", None)
subtest = _cast("_Callable[[str], _Context[None]]", None)
t = _cast("_unittest.TestCase", None)
machines = _cast("list[_Machine]", None)
machines_qemu = _cast("list[_Machine]", None)
machines_nspawn = _cast("list[_Container]", None)
"""
KINDS = {"vm": "_Machine", "container": "_Container"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_script_passes(kind: str, name: str, tmp_path: Path) -> None:
    hosts = "".join(f'{host} = _cast("{KINDS[kind]}", None)\n' for host in machine_hosts(name))
    script = tmp_path / f"{name}.py"
    script.write_text(GIVEN + hosts + PRELUDE.read_text() + (SCRIPTS / f"{name}.py").read_text())
    for check in (
        ["ruff", "check", "--isolated", "--select", "F"],
        ["ty", "check", "--output-format", "concise"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *check, str(script)],
            cwd=SCRIPTS.parent.parent,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
