"""Nothing stays behind of a machine, whoever is killed."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.machine import here
from tests.machine.host_files import PROJECT
from tests.machine.stage import Stage
from tests.machine.supervisor import runs

REASON = here.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

# Boots a machine, says which processes are what, and waits to be killed.
BOOT = """
import sys
from tests.machine.driver import Driver

driver = Driver("boot")
driver.machines[0].connect()
print(driver.stage.pid, driver.machines[0].leader, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def booted() -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """A process that has booted a machine, with the machine's supervisor and first process."""
    here.install_missing()
    process = subprocess.Popen(
        [sys.executable, "-c", BOOT], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    supervisor, leader = map(int, process.stdout.readline().split())
    yield process, supervisor, leader
    process.kill()
    process.wait()


def test_when_the_test_is_killed(booted: tuple[subprocess.Popen[str], int, int]) -> None:
    process, supervisor, leader = booted
    cgroups = _cgroups(supervisor)
    assert cgroups
    process.send_signal(signal.SIGKILL)
    _wait_until("the machine is gone", lambda: not runs(leader) and not runs(supervisor))
    assert not _cgroups(supervisor)
    assert _of_machines() == []


def test_when_the_supervisor_is_killed_too(booted: tuple[subprocess.Popen[str], int, int]) -> None:
    process, supervisor, leader = booted
    os.kill(supervisor, signal.SIGKILL)
    process.send_signal(signal.SIGKILL)
    _wait_until("the machine is gone", lambda: not runs(leader))
    # All that the kernel kept is swept by the next one.
    with Stage():
        assert not _cgroups(supervisor)
    assert _of_machines() == []


def _cgroups(supervisor: int) -> list[str]:
    """Look where no machine's own mount is: in the hierarchy as it is."""
    script = "mount -t cgroup2 cgroup2 /mnt && find /mnt -path '*airflow-machine-$0*'"
    apart = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        script.replace("$0", str(supervisor)),
    ]
    return subprocess.run(apart, check=True, capture_output=True, text=True).stdout.split()


def _of_machines() -> list[str]:
    """Return the mounts and network interfaces that this host has of machines."""
    mounts = [mount for mount in Path("/proc/mounts").read_text().splitlines() if "/run/machines" in mount]
    links = [link.name for link in Path("/sys/class/net").iterdir() if re.match(r"m\d+-|machines", link.name)]
    return mounts + links


def _wait_until(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, f"it isn't so that {what}"
        time.sleep(0.1)
