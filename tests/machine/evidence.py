"""What is kept of machines whose test failed."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from tests.machine.machine import Machine

SECONDS = 60
# Asked of a machine that still runs; each answer is a file.
QUESTIONS = {
    "processes.txt": "ps -e -H -o user,pid,ppid,lstart,stat,rss,args ww",
    "units.txt": "systemctl --no-pager --all list-units; systemctl --no-pager list-jobs",
    "status.txt": "systemctl --no-pager --full --lines=0 status '*.service' || true",
    "network.txt": "ip address; ss --all --processes --numeric 2>&1 || true",
}
LOGS = ("var/log/airflow", "var/log/airflow-worker", "var/log/etl", "etc/systemd/system", "etc/my.cnf")


@contextmanager
def kept(test: str, machines: Iterable[Machine]) -> Iterator[None]:
    """Save what there is of machines if what is done to them fails, and name the folder in the error.

    Args:
        test: its name.
        machines: its machines.
    """
    try:
        yield
    except Exception as error:
        error.add_note(f"Journals, task logs and processes are in {save(test, machines)}")
        raise


def save(test: str, machines: Iterable[Machine]) -> Path:
    """Save the journals, Airflow's task logs and the processes; return the folder.

    Args:
        test: its name.
        machines: its machines, running or not.
    """
    now = datetime.now().astimezone().strftime("%Y%m%dT%H%M%S")
    folder = Path(tempfile.gettempdir()) / "airflow-machine-failures" / f"{test}-{now}"
    for machine in machines:
        kept = folder / machine.name
        kept.mkdir(parents=True)
        # Whatever is broken about the machine must not hide what broke the test.
        with suppress(Exception):
            shutil.copy(machine.folder / "console", kept / "console.txt")
        if machine.booted:
            for name, question in QUESTIONS.items():
                with suppress(Exception):
                    (kept / name).write_text(machine.execute(question, timeout=SECONDS)[1])
        upper = machine.folder / "upper"
        for log in LOGS:
            with suppress(Exception):
                _copy(upper / log, kept / Path(log).name)
        with suppress(Exception):
            _journals(upper / "var/log/journal", kept)
    return folder


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    elif source.exists():
        shutil.copy(source, target)


def _journals(journal: Path, folder: Path) -> None:
    """Write the whole journal, and each unit's own; the machine needn't run for it."""
    read = ["journalctl", "--directory", str(journal), "--no-pager", "--output", "short-precise"]
    units = subprocess.run([*read, "--field", "_SYSTEMD_UNIT"], check=True, capture_output=True, text=True)
    (folder / "journal").mkdir()
    for unit in ["", *units.stdout.split()]:
        wanted = ["--unit", unit] if unit else []
        with (folder / "journal" / f"{unit or 'all'}.txt").open("wb") as output:
            subprocess.run([*read, *wanted], check=False, stdout=output, stderr=subprocess.DEVNULL)
