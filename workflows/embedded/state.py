"""The folder that holds all that a run writes."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from embedded.errors import EmbeddedError, UsageError


@dataclass(frozen=True)
class State:
    """The places in the state folder."""

    folder: Path

    @property
    def airflow(self) -> Path:
        """Airflow's home: its database and the logs of the tasks."""
        return self.folder / "airflow"

    @property
    def logs(self) -> Path:
        """The logs of the processes."""
        return self.folder / "logs"

    @property
    def warehouse(self) -> Path:
        """The SQLite file that the jobs load."""
        return self.folder / "warehouse.sqlite"


@contextmanager
def clean_state(folder: Path) -> Iterator[State]:
    """Empty the state folder, and keep others out of it meanwhile.

    Args:
        folder: made if it is missing. What earlier runs left in it is deleted.

    Raises:
        UsageError: another run is using it.
        EmbeddedError: it can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise UsageError(
                    f"another run is using {folder} (process {lock.read().strip() or 'unknown'}): "
                    "end it first, or wait for it"
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            state = State(folder.resolve())
            for old in folder.iterdir():
                if old.name == "lock":
                    continue
                if old.is_dir() and not old.is_symlink():
                    shutil.rmtree(old)
                else:
                    old.unlink()
            state.airflow.mkdir()
            state.logs.mkdir()
            yield state
    except OSError as error:
        raise EmbeddedError(f"the state folder {folder} can't be used: {error}") from error
