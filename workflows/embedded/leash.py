"""Runs a command whose whole family of processes ends with the one that started it.

Its standard input is the leash: when that ends, by intent or because the process at the other end died,
however violently, every process that descends from the command is killed.
"""

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Sequence

import psutil

PR_SET_CHILD_SUBREAPER = 36
KILL_WAIT_SECONDS = 5.0


def adopt_orphans() -> None:
    """Let orphaned descendants become children of this process, not of the machine's first one.

    Raises:
        OSError: the kernel can't.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this kernel has no child subreapers")


def kill_descendants() -> None:
    """Kill every descendant of this process, also those that were started meanwhile."""
    while family := psutil.Process().children(recursive=True):
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(family, KILL_WAIT_SECONDS)


def main(command: Sequence[str]) -> int:
    """Run a command on the leash.

    Args:
        command: the program and its arguments.

    Returns:
        Its exit code, or 128 and the signal's number.
    """
    adopt_orphans()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - the caller's own command

    def end_with_the_leash() -> None:
        # Nothing is ever written to it. The buffered reader would hold a lock that the exit needs.
        os.read(sys.stdin.fileno(), 1)
        kill_descendants()

    threading.Thread(target=end_with_the_leash, daemon=True).start()
    code = child.wait()
    kill_descendants()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
