"""How things are timed."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True)
class Spent:
    """What a program took: seconds of CPU, and its largest memory in megabytes."""

    cpu: float
    megabytes: float


def median_seconds(
    *actions: Callable[[], object], times: int = 5, clock: Callable[[], float] = perf_counter
) -> list[float]:
    """Return the median time of each action; they take turns, so that what slows one slows all.

    Args:
        *actions: what is timed.
        times: how often each.
        clock: tells the time; that of the process's CPU leaves out what else the machine does.
    """
    taken: list[list[float]] = [[] for _ in actions]
    for _ in range(times):
        for action, seconds in zip(actions, taken, strict=True):
            started = clock()
            action()
            seconds.append(clock() - started)
    return [statistics.median(seconds) for seconds in taken]


def least_seconds(action: Callable[[], object], times: int = 15) -> float:
    """Return the least time of an action, to compare with others that can't take turns with it.

    Args:
        action: what is timed.
        times: how often.
    """
    taken = []
    for _ in range(times):
        started = perf_counter()
        action()
        taken.append(perf_counter() - started)
    return min(taken)


# A program that is started counts the memory of what starts it as its own: so this one is small.
STARTER = """
import json, resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


def run(command: Sequence[str], environment: Mapping[str, str]) -> Spent:
    """Run a program, and return what it took.

    Args:
        command: its path and arguments.
        environment: its variables.

    Raises:
        SystemExit: it failed.
    """
    starter = [sys.executable, "-I", "-S", "-c", STARTER, *command]
    found = subprocess.run(starter, env=dict(environment), stdout=subprocess.PIPE, check=True)
    code, cpu, megabytes = json.loads(found.stdout)
    if code:
        sys.exit(f"{' '.join(command)} failed ({code})")
    return Spent(cpu, megabytes)
