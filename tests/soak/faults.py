"""What is done to the machine, and how it is undone."""

from typing import NamedTuple


class Fault(NamedTuple):
    """A fault.

    Args:
        name: as in the README's table.
        begin: what is typed to bring it about.
        seconds: how long it lasts.
        end: what is typed to end it.
    """

    name: str
    begin: str
    seconds: int = 0
    end: str = "true"


def killed(unit: str) -> str:
    return f"systemctl kill --kill-whom main --signal KILL {unit}"


def away(name: str, unit: str, seconds: int) -> Fault:
    return Fault(
        f"{name} stopped for {seconds} s", f"systemctl stop {unit}", seconds, f"systemctl start {unit}"
    )


def full(name: str, folder: str) -> Fault:
    fill = f"dd if=/dev/zero of={folder}/full bs=1M 2> /dev/null || true"
    return Fault(f"{name}'s disk full for 30 s", fill, 30, f"rm {folder}/full")


LOAD = "etl load-events --run-date 2016-02-21"
CLEAR = "airflow tasks clear --yes --start-date 2016-02-21 --end-date 2016-02-21 daily_etls"
FEW_FILES = "/run/systemd/system/airflow-worker.service.d/few-files.conf"
REDIS_DATA = "/var/lib/redis-airflow/appendonlydir /var/lib/redis-airflow/dump.rdb"

FAULTS = (
    Fault("MySQL killed", killed("mysql")),
    away("MySQL", "mysql", 60),
    Fault("Redis killed", killed("redis-airflow")),
    away("Redis", "redis-airflow", 60),
    Fault(
        "Redis lost its data",
        f"systemctl stop redis-airflow; rm -rf {REDIS_DATA}; systemctl start redis-airflow",
    ),
    away("MySQL and Redis", "mysql redis-airflow", 30),
    *(
        Fault(f"{name} killed", killed(f"airflow-{name}"))
        for name in ("webserver", "scheduler", "dag-processor", "triggerer", "worker")
    ),
    away("web server", "airflow-webserver", 60),
    away("scheduler", "airflow-scheduler", 60),
    away("worker", "airflow-worker", 30),
    Fault("a pool child killed", "pkill --signal KILL --newest --full '[F]orkPoolWorker' || true"),
    Fault("a task killed", "pkill --signal KILL --newest --full '^airflow worker --' || true"),
    Fault("a task's supervisor killed", "pkill --signal KILL --newest --full '^airflow supervisor' || true"),
    Fault("a day loaded twice at once, by hand", f"{LOAD} & {LOAD}; wait"),
    Fault("everything restarted", "systemctl restart airflow.target"),
    # What the kernel does to a unit that is out of memory.
    Fault("a worker killed with all that it runs", "systemctl kill --signal KILL airflow-worker"),
    Fault(
        "a worker that answers and takes no tasks",
        "/opt/airflow/bin/celery --broker 'redis+socket:///run/redis-airflow/redis.sock?virtual_host=0' "
        "control cancel_consumer default",
    ),
    Fault("a worker that no longer reacts", "systemctl kill --kill-whom main --signal STOP airflow-worker"),
    # Airflow may refuse one of them, which then has no effect.
    Fault(
        "a day cleared twice at once",
        f"{CLEAR} & first=$!; {CLEAR} && second=done || second=refused; wait $first || [ $second = done ]",
    ),
    Fault(
        "a second scheduler",
        "systemd-run --quiet --collect --unit second $(command -v airflow) scheduler",
        30,
        "systemctl stop second",
    ),
    Fault(
        "a worker with too few file descriptors",
        f"mkdir -p {FEW_FILES.rpartition('/')[0]}; printf '[Service]\\nLimitNOFILE=24\\n' > {FEW_FILES}; "
        "systemctl daemon-reload; systemctl restart --no-block airflow-worker",
        30,
        f"rm {FEW_FILES}; systemctl daemon-reload; systemctl restart airflow-worker",
    ),
    full("the task logs", "/var/log/airflow-worker"),
    full("MySQL", "/var/lib/mysql"),
    full("/tmp", "/tmp"),
)
POWER_FAILURE = "power failure"
# Longer than any retry of a request, and as long as an outage is that must cost no day.
LONG = away("MySQL and Redis", "mysql redis-airflow", 600)
