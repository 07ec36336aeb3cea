"""What the units of a machine with the pipeline take: memory and CPU."""

from tests.machine.machine import Machine

# Shared pages count by their share. A process may end while they are counted.
MEMORY = """
for unit in mysql redis-airflow nginx $(printf 'airflow-%s ' {roles}); do
  group=/sys/fs/cgroup$(systemctl show --property ControlGroup --value $unit)
  for process in $(cat $group/cgroup.procs); do grep '^Pss:' /proc/$process/smaps_rollup || true; done |
    awk -v unit=$unit '{{ sum += $2 }} END {{ printf "%s %d\\n", unit, sum / 1024 }}'
done
"""
ROLES = "webserver scheduler dag-processor triggerer worker worker-watch"


def memory(machine: Machine) -> dict[str, int]:
    """Return the memory of each unit in MB.

    Args:
        machine: the machine, all of whose units are up.
    """
    lines = machine.succeed(MEMORY.format(roles=ROLES)).splitlines()
    return {unit: int(size) for unit, size in map(str.split, lines)}


def cpu_seconds(machine: Machine) -> float:
    """Return the seconds of CPU that all of a machine has taken.

    Args:
        machine: the machine.
    """
    return int(machine.succeed("sed --quiet 's/^usage_usec //p' /sys/fs/cgroup/cpu.stat")) / 1e6
