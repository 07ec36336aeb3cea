"""A cache of folders that are expensive to make: the layers of a machine's file system.

A layer is named by what it is made from, so a changed input makes another one. It is made aside and renamed
when it is complete: whoever is killed in the middle leaves nothing that is taken for a layer.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

UNUSED_DAYS = 14


class LayerError(Exception):
    """A layer could not be made."""


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "/var/cache") / "airflow-nixos-machine"


def layer(name: str, inputs: Iterable[bytes | str], make: Callable[[Path], None]) -> Path:
    """Return the layer that these inputs make; make it first if it isn't there.

    Args:
        name: what it is, for people.
        inputs: all that decides what is in it.
        make: fills the folder that it is given; the folder doesn't exist yet.
    """
    digest = hashlib.sha256()
    for part in inputs:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big") + content)
    found = cache() / f"{name}-{digest.hexdigest()[:16]}"
    if not found.exists():
        with _only_builder():
            if not found.exists():
                print(f"building the machine's layer {found}, for some minutes", file=sys.stderr, flush=True)
                partial = cache() / f"building-{name}"
                make(partial)
                partial.rename(found)
    os.utime(found)
    return found


@contextmanager
def _only_builder() -> Iterator[None]:
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_leftovers()
        yield


def _remove_leftovers() -> None:
    """Remove what a killed builder left, and layers that nobody has used for long."""
    for folder in cache().iterdir():
        unused = time.time() - folder.stat().st_mtime > UNUSED_DAYS * 24 * 3600
        if folder.is_dir() and (folder.name.startswith("building-") or unused):
            shutil.rmtree(folder)


def run_caged(command: Sequence[str | Path], log: Path, environment: dict[str, str] | None = None) -> None:
    """Run a command that dies with this process, together with its children and its mounts.

    Args:
        command: the program and its arguments.
        log: where its output goes, of which a failure shows the end.
        environment: the environment, if not this process's own.
    """
    cage = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--propagation", "private"]
    cage += ["--pid", "--fork", "--kill-child", "--mount-proc", "--"]
    with log.open("ab") as output:
        done = subprocess.run(
            [*cage, *command],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        raise LayerError(f"{command[0]} failed with {done.returncode}; the end of {log}:\n{tail}")
