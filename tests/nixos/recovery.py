# What fails comes back, and Airflow with it: the database and Redis away, processes killed, the power cut.
import re
import time
from datetime import timedelta

DAEMONS = [
    f"airflow-{name}.service" for name in ("webserver", "scheduler", "dag-processor", "triggerer", "worker")
]
ALL = ["mysql.service", "redis-airflow.service", "airflow-migrate.service", "etl-migrate.service", *DAEMONS]
FIRST = date(2016, 2, 21)
DAY = timedelta(days=1)
# Until everything is well again after a fault is over. It takes half a minute; a busy machine, longer.
SECONDS = 120
BROKER = "redis+socket:///run/redis-airflow/redis.sock?virtual_host=0"
AWAY = "/run/systemd/system/mysql.service.d/away.conf"


def run(day):
    return api(machine, "GET", f"dags/daily_etls/dagRuns/scheduled__{day + DAY}T00:00:00%2B00:00")


def invocations():
    return {unit: machine.get_unit_property(unit, "InvocationID") for unit in ALL}


def all_active():
    states = machine.succeed("systemctl show --property ActiveState --value " + " ".join(ALL)).split()
    return set(states) == {"active"}


def healthy():
    answer = machine.succeed(f"{CURL} --fail http://127.0.0.1:8080/api/v2/monitor/health")
    parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
    return all(json.loads(answer)[part]["status"] == "healthy" for part in parts)


def wait_until_well(fault):
    """Wait until all units are up and say that they are well; say how long it took."""
    start = time.monotonic()
    wait_for(f"all is well after {fault}", lambda: all_active() and healthy(), SECONDS)
    machine.log(f"{fault}: well after {time.monotonic() - start:.0f} s")


done = []


def complete_the_day():
    """Put the next day's object, so that the day is complete; say which day it is."""
    day = FIRST + len(done) * DAY
    put_object(machine, day + DAY, lines=[login(day + DAY)])
    return day


def start_a_day_that_waits():
    """Start the load of the next day; it can't write before the unit "hold" or MySQL is gone."""
    machine.succeed(
        "systemd-run --quiet --collect --unit hold $(command -v mysql) warehouse --execute "
        "'LOCK TABLES user_event WRITE; SELECT SLEEP(600)'"
    )
    day = complete_the_day()
    wait_for(
        "the load runs",
        lambda: query("SELECT 1 FROM information_schema.processlist WHERE user = 'airflow-worker'"),
    )
    return day


def wait_for_day(day, fault):
    """Wait for a day, and check it and all before."""
    start = time.monotonic()
    wait_for(f"{day} is done", lambda: run(day)["state"] == "success", SECONDS + 45)
    machine.log(f"{fault}: {day} was done after {time.monotonic() - start:.0f} s")
    done.append(day)
    check_rows()


def login(of):
    return json.dumps(
        {"event_id": f"{of}", "timestamp": f"{of:%Y-%m-%d} 10:00:00", "user_id": 1, "event": "web_login"}
    )


def query(statement):
    return machine.succeed(
        f'mysql --batch --skip-column-names warehouse --execute "{statement}"'
    ).splitlines()


def queued():
    return query("SELECT COUNT(*) FROM airflow.task_instance WHERE state = 'queued'")


def states_of(tasks):
    return query(f"SELECT state FROM airflow.task_instance WHERE {tasks}")


def check_rows():
    """Every day that is done has its one login, and the statistics that follow from it."""
    t.assertEqual(query("SELECT id FROM user_event ORDER BY id"), [str(one) for one in done])
    expected = [
        f"{one}\t{statistic}\t{value}"
        for number, one in enumerate(done, 1)
        for statistic, value in (
            ("average_weekly_logins", f"{number / -(-number // 7):.2f}"),
            ("logins_past_week", f"{min(number, 7)}.00"),
        )
    ]
    found = query("SELECT day, statistic, value FROM organization_statistic ORDER BY day, statistic")
    t.assertEqual(found, expected)


def kill(unit):
    machine.succeed(f"systemctl kill --kill-whom main --signal KILL {unit}")


def start_days():
    machine.succeed(
        "mysql warehouse --execute \"INSERT INTO organization (organization_id, organization_name) VALUES (1, 'One'); "
        'INSERT INTO organization_user (organization_id, user_id) VALUES (1, 1)"'
    )
    put_object(machine, FIRST, lines=[login(FIRST)])
    wait_for_day(complete_the_day(), "no fault")


start_all()
wait_for_airflow(machine)
wait_until_well("boot")

with subtest("A day is done"):
    start_days()

with subtest("MySQL is stopped for a while and started again: everything goes on, and no worker was drained"):
    worker = invocations()["airflow-worker.service"]
    machine.succeed("systemctl stop mysql")
    day = complete_the_day()
    machine.sleep(30)
    machine.succeed("systemctl start mysql")
    wait_until_well("MySQL stopped for 30 s")
    wait_for_day(day, "MySQL stopped for 30 s")
    t.assertEqual(invocations()["airflow-worker.service"], worker)

with subtest("Without its database Airflow waits, says so, and starts with it"):
    machine.succeed("systemctl stop airflow.target mysql", timeout=120)
    machine.succeed(
        f"mkdir -p {AWAY.rpartition('/')[0]}; printf '[Unit]\\nConditionPathExists=/away' > {AWAY}"
    )
    moment = machine.succeed("date +%s").strip()
    machine.succeed("systemctl daemon-reload", "systemctl start --no-block airflow.target")
    for unit, said in (("airflow-migrate", "waiting for the database: "), ("etl-migrate", "refused: ")):
        # More than once.
        machine.wait_until_succeeds(
            f"journalctl --unit {unit} --since @{moment} | grep --max-count 2 '{said}' | wc --lines | grep 2",
            timeout=SECONDS,
        )
    for unit in DAEMONS:
        machine.require_unit_state(unit, "inactive")
    machine.succeed(f"rm {AWAY}", "systemctl daemon-reload", "systemctl start mysql")
    wait_until_well("MySQL away at boot")
    wait_for_day(complete_the_day(), "MySQL away at boot")

with subtest("MySQL is killed in mid-load"):
    day = start_a_day_that_waits()
    kill("mysql")
    wait_until_well("MySQL killed")
    wait_for_day(day, "MySQL killed in mid-load")

with subtest("Redis is stopped while a task becomes due, and killed"):
    machine.succeed("systemctl stop redis-airflow")
    day = complete_the_day()
    machine.sleep(20)
    machine.succeed("systemctl start redis-airflow")
    wait_for_day(day, "Redis stopped for 20 s")
    day = complete_the_day()
    kill("redis-airflow")
    wait_for_day(day, "Redis killed")

with subtest("Redis loses what it holds while a task is queued: the task is queued again"):
    machine.succeed("systemctl stop airflow-worker")
    day = complete_the_day()
    # The sensor of a later day may be queued beside it.
    wait_for("a task is queued", lambda: queued() != ["0"])
    machine.succeed(
        "systemctl stop redis-airflow",
        "rm -r /var/lib/redis-airflow/appendonlydir",
        "systemctl start redis-airflow",
    )
    machine.succeed("systemctl start airflow-worker")
    wait_for_day(day, "Redis lost its data")

for unit in DAEMONS:
    with subtest(f"{unit} is killed"):
        day = complete_the_day()
        kill(unit)
        wait_until_well(f"{unit} killed")
        wait_for_day(day, f"{unit} killed")

with subtest("The web server is away for longer than a task may be queued: no try is lost"):
    of_the_next = f"dag_id = 'daily_etls' AND run_id LIKE '%{FIRST + (len(done) + 1) * DAY}%'"
    sensor = f"{of_the_next} AND task_id = 's3_sensor'"
    # The worker that was killed may have had it; only then does it wait in a later try.
    wait_for("the next day's sensor waits", lambda: states_of(sensor) == ["deferred"], SECONDS)
    (first_try,) = query(f"SELECT try_number FROM airflow.task_instance WHERE {sensor}")
    machine.succeed("systemctl stop airflow-webserver", timeout=60)
    day = complete_the_day()
    wait_for("a task is queued", lambda: queued() != ["0"])
    machine.sleep(70)
    machine.succeed("systemctl start airflow-webserver")
    wait_until_well("web server stopped for 70 s")
    wait_for_day(day, "web server stopped for 70 s")
    tries = query(
        f"SELECT task_id, try_number FROM airflow.task_instance WHERE {of_the_next} ORDER BY task_id"
    )
    t.assertEqual(tries, ["etl_load_events\t1", "etl_organization_stats\t1", f"s3_sensor\t{first_try}"])

with subtest("A worker that answers, and takes no tasks, is restarted"):
    worker = invocations()["airflow-worker.service"]
    program = machine.get_unit_property("airflow-worker-watch.service", "ExecStart")
    python = re.findall(r"\S+/bin/python(?= )", program)[0]
    machine.succeed(
        f"""runuser -u airflow-worker -- {python} -c 'from celery import Celery; Celery(broker="{BROKER}")"""
        """.control.cancel_consumer("default")'"""
    )
    day = complete_the_day()
    wait_for("it is another one", lambda: invocations()["airflow-worker.service"] != worker, 90)
    wait_for_day(day, "a worker that takes no tasks")

with subtest("A worker that no longer reacts is killed"):
    worker = invocations()["airflow-worker.service"]
    machine.succeed("systemctl kill --kill-whom main --signal STOP airflow-worker")
    day = complete_the_day()
    wait_for("it is another one", lambda: invocations()["airflow-worker.service"] != worker, 150)
    wait_for_day(day, "a worker that no longer reacts")

with subtest("A backup that finds no room leaves nothing behind"):
    machine.succeed(
        "mount -t tmpfs -o size=16k,mode=0700,uid=$(id -u airflow),gid=$(id -g airflow) tmpfs /var/backup/airflow"
    )
    machine.fail("systemctl start airflow-backup", timeout=60)
    t.assertEqual(machine.succeed("ls --almost-all /var/backup/airflow"), "")
    machine.succeed("umount /var/backup/airflow", "systemctl start airflow-backup")
    machine.succeed("zstd --test /var/backup/airflow/*.sql.zst")

with subtest("What time doesn't mend is left failed, with its message"):
    machine.succeed("systemctl stop airflow.target", timeout=120)
    for schema, table, unit in (
        ("airflow", "alembic_version", "airflow-migrate"),
        ("airflow", "alembic_version_fab", "airflow-migrate"),
        ("warehouse", "etl_schema_version", "etl-migrate"),
    ):
        column = f"{schema}.{table}"
        version = query(f"SELECT version_num FROM {column}")[0]
        machine.succeed(f"mysql --execute \"UPDATE {column} SET version_num = 'ffffffffffff'\"")
        machine.fail(f"systemctl restart {unit}", timeout=60)
        machine.require_unit_state(f"{unit}.service", "failed")
        machine.succeed(f"journalctl --unit {unit} --since -60s | grep 'newer version'")
        machine.succeed(f"mysql --execute \"UPDATE {column} SET version_num = '{version}'\"")
    machine.succeed("systemctl start airflow.target", timeout=120)
    wait_until_well("a newer schema")
    wait_for_day(complete_the_day(), "a newer schema")

with subtest("airflow-health says how everything is, and what isn't well"):
    machine.wait_until_succeeds("airflow-health", timeout=SECONDS)
    said = machine.succeed("airflow-health")
    machine.log(said)
    for name in (
        *ALL,
        "metadatabase",
        "machine-default",
        "queue default",
        "daily_etls",
        "airflow-backup.timer",
    ):
        t.assertIn(f"ok   {name}", said)
    machine.succeed("systemctl stop airflow-worker", timeout=120)
    status, said = machine.execute("airflow-health --json")
    t.assertEqual(status, 1)
    unwell = {one["name"] for one in json.loads(said) if not one["well"]}
    t.assertEqual(unwell, {"airflow-worker.service", "machine-default"})
    machine.succeed("systemctl start airflow-worker")

with subtest("A unit that stays down is told of once, and once when it is up again"):
    memory = "/var/lib/airflow-alarm/unwell.json"

    def mails():
        return machine.succeed(
            "journalctl --unit mail --output cat | { grep '^Subject: ' || true; }"
        ).splitlines()

    # Neither a unit that came back, nor a task that was lost and tried again.
    t.assertEqual(mails(), [], "a fault that was over soon was told of")
    machine.succeed("systemctl stop airflow-triggerer", "systemctl start airflow-alarm")
    t.assertEqual(mails(), [])
    # As if that had been five minutes ago.
    machine.succeed(
        f"sed --in-place --regexp-extended 's/(triggerer.service\": )[0-9.]+/\\10/' {memory}",
        "systemctl start airflow-alarm",
        "systemctl start airflow-alarm",
    )
    t.assertEqual(mails(), ["Subject: Airflow on machine is unwell"])
    machine.succeed("journalctl --unit mail --output cat | grep 'airflow-triggerer.service: inactive'")
    machine.succeed("systemctl start airflow-triggerer")
    machine.wait_until_succeeds(
        f"systemctl start airflow-alarm; grep '\"told\": false' {memory}", timeout=SECONDS
    )
    t.assertEqual(mails()[1:], ["Subject: Airflow on machine is well again"])

# The NixOS test driver starts a container only once.
for virtual in machines_qemu:
    with subtest("The power fails in mid-load"):
        day = start_a_day_that_waits()
        start = time.monotonic()
        virtual.crash()
        virtual.start()
        # The S3 API of the tests forgets.
        machine.wait_for_unit("s3.service", timeout=120)
        put_object(machine, day, lines=[login(day)])
        put_object(machine, day + DAY, lines=[login(day + DAY)])
        wait_until_well("power failure")
        wait_for_day(day, "power failure")
        machine.log(f"power failure: {time.monotonic() - start:.0f} s")
