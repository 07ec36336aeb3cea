"""How things are timed."""

import os
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True)
class Spent:
    """What a program took: seconds of CPU, and its largest memory in megabytes."""

    cpu: float
    megabytes: float


def median_seconds(*actions: Callable[[], object], times: int = 5) -> list[float]:
    """Return the median time of each action; they take turns, so that what slows one slows all.

    Args:
        *actions: what is timed.
        times: how often each.
    """
    taken: list[list[float]] = [[] for _ in actions]
    for _ in range(times):
        for action, seconds in zip(actions, taken, strict=True):
            started = perf_counter()
            action()
            seconds.append(perf_counter() - started)
    return [statistics.median(seconds) for seconds in taken]


def run(command: Sequence[str], environment: Mapping[str, str]) -> Spent:
    """Run a program, and return what it took.

    Args:
        command: its path and arguments.
        environment: its variables.

    Raises:
        SystemExit: it failed.
    """
    child = os.posix_spawn(
        command[0],
        list(command),
        dict(environment),
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(child, 0)
    if code := os.waitstatus_to_exitcode(status):
        sys.exit(f"{' '.join(command)} failed ({code})")
    return Spent(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
