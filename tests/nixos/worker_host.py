# Three hosts: "main" schedules and serves, "worker" runs the tasks and knows no database of Airflow's, and
# "spare" is there when "worker" is gone.
import time
from datetime import timedelta

DAG_RUN = "dags/daily_etls/dagRuns/scheduled__2016-02-22T00:00:00%2B00:00"


def login(day):
    return json.dumps(
        {"event_id": f"{day}", "timestamp": f"{day} 10:00:00", "user_id": 1, "event": "web_login"}
    )


DAG_FROM_GIT = """
from airflow.sdk import DAG, task

with DAG("acme", is_paused_upon_creation=False):

    @task
    def say():
        print("{said}")

    say()
"""


def commit(said):
    """Commit a DAG that says something, and return which commit it is."""
    main.succeed(f"cat > /srv/work/dags/acme.py <<'END'{DAG_FROM_GIT.format(said=said)}END")
    git = "git -C /srv/work -c user.name=us -c user.email=us@example.org"
    main.succeed(f"{git} add . && {git} commit --quiet --message '{said}' && {git} push --quiet origin main")
    return main.succeed(f"{git} rev-parse HEAD").strip()


def start_worker(host):
    """Start a worker host, with the key of the repository and that of its server."""
    host.start()
    host.succeed(
        f"umask 077; echo {keys[0]} | base64 --decode > /run/dags-key",
        f"rm -f /etc/ssh/ssh_known_hosts; echo {keys[1]} | base64 --decode > /etc/ssh/ssh_known_hosts",
        "systemctl start airflow.target",
    )


def run_from_git(number):
    """Run the DAG of the repository, and return its run and its task."""
    made = api(main, "POST", "dags/acme/dagRuns", {"dag_run_id": f"run{number}", "logical_date": None})
    run = f"dags/acme/dagRuns/{made['dag_run_id']}"
    wait_for("the run is done", lambda: api(main, "GET", run)["state"] == "success")
    return api(main, "GET", run), api(main, "GET", f"{run}/taskInstances/say")


# The warehouse is on the main host; the worker comes when there is a user for it.
main.start()
wait_for_airflow(main)

with subtest("A deploy key that isn't there is named"):
    main.wait_until_succeeds(
        "journalctl --unit airflow-dag-processor | "
        "grep 'services.airflow.dagBundles.acme.git.keyFile: /run/dags-key does not exist'",
        timeout=60,
    )
    main.succeed(
        "systemctl start sshd || systemctl start ssh",
        "ssh-keygen -q -t ed25519 -N '' -f /run/dags-key",
        "mkdir -p -m 0700 /root/.ssh && cp /run/dags-key.pub /root/.ssh/authorized_keys",
        "git init --quiet --bare --initial-branch main /srv/dags.git",
        "git clone --quiet /srv/dags.git /srv/work 2> /dev/null && mkdir /srv/work/dags",
    )
    main.wait_for_file("/etc/ssh/ssh_host_ed25519_key.pub")
    main.succeed("sed 's/^/main /' /etc/ssh/ssh_host_ed25519_key.pub > /run/known")
    keys = main.succeed("base64 --wrap 0 /run/dags-key; echo; base64 --wrap 0 /run/known").split()
    first_commit = commit("first")
    main.succeed("mv --force /run/known /etc/ssh/ssh_known_hosts", "systemctl start airflow.target")

main.succeed(
    'password=$(sed "s/.*worker:\\(.*\\)@.*/\\1/" /etc/credentials/warehouse-url); mysql <<< "'
    "CREATE USER 'worker'@'%' IDENTIFIED BY '$password'; "
    "GRANT SELECT, INSERT, UPDATE, DELETE ON warehouse.* TO 'worker'@'%'\""
)
start_worker(worker)

with subtest("Each host has its own units, and no more"):
    worker.wait_for_unit("airflow-worker.service", timeout=300)
    for name in ("webserver", "scheduler", "dag-processor", "triggerer"):
        main.wait_for_unit(f"airflow-{name}.service", timeout=60)
        worker.fail(f"systemctl is-active airflow-{name}.service")
    main.fail("systemctl is-active airflow-worker.service")
    for name in ("mysql", "redis-airflow", "airflow-migrate", "airflow-secrets"):
        worker.fail(f"systemctl is-active {name}.service")

with subtest("The worker host has no credential of Airflow's database"):
    credentials = worker.succeed("systemctl cat airflow-worker.service | grep ^LoadCredential=")
    for name in ("fernet-key", "jwt-secret", "database-password"):
        t.assertNotIn(name, credentials)
    environment = worker.succeed("systemctl show airflow-worker.service --property Environment")
    t.assertIn("unix_socket=/run/no-database-for-this-unit", environment)
    worker.fail("test -e /run/mysqld")
    configuration = environment.split("AIRFLOW_CONFIG=")[1].split()[0]
    t.assertIn("none@localhost/none", worker.succeed(f"grep sql_alchemy_conn {configuration}"))

with subtest("It runs the tasks"):
    main.succeed(
        "mysql warehouse --execute \"INSERT INTO organization (organization_id, organization_name) VALUES (1, 'One'); "
        'INSERT INTO organization_user (organization_id, user_id) VALUES (1, 1)"'
    )
    for day in (date(2016, 2, 21), date(2016, 2, 22)):
        put_object(main, day, lines=[login(day)])
    wait_for("the day is done", lambda: api(main, "GET", DAG_RUN)["state"] == "success")
    tasks = api(main, "GET", f"{DAG_RUN}/taskInstances")["task_instances"]
    t.assertEqual({task["hostname"] for task in tasks}, {"worker"})
    count = main.succeed(
        'mysql --batch --skip-column-names warehouse --execute "SELECT COUNT(*) FROM user_event"'
    )
    t.assertEqual(count.strip(), "1")

with subtest("Health on the main host knows of its worker, and on the worker host of its units"):
    for host in (main, worker):
        host.wait_until_succeeds("airflow-health >&2", timeout=60)
    main.succeed("airflow-health | grep '^ok   worker-default .*takes tasks of default'")
    worker.succeed("airflow-health | grep '^ok   airflow-worker.service'")

with subtest("Each host has metrics of its own: of its units, and the worker's of its tasks"):
    for host, port, sample in (
        (main, 9121, "redis_up 1"),
        (main, 9104, "mysql_up 1"),
        (main, 9102, 'airflow_queue_length{queue="default"} 0'),
        (main, 9102, 'airflow_healthy{check="airflow-scheduler.service"} 1'),
        (worker, 9102, 'airflow_healthy{check="airflow-worker.service"} 1'),
        (worker, 9102, 'airflow_ti_finish{.*task_id="etl_load_events"'),
    ):
        host.wait_until_succeeds(f"{CURL} http://127.0.0.1:{port}/metrics | grep '^{sample}'", timeout=90)
    worker.fail("systemctl is-active prometheus-mysqld-exporter.service prometheus-redis-exporter.service")
    # The password is where only the exporter reads it.
    exporter = main.get_unit_property("prometheus-redis-exporter.service", "MainPID")
    main.fail(
        f"grep --text --quiet --file /etc/credentials/redis-password /proc/{exporter}/environ /proc/{exporter}/cmdline"
    )

with subtest("The logs of its tasks are readable from the main host"):
    log = api(main, "GET", f"{DAG_RUN}/taskInstances/etl_load_events/logs/1")
    t.assertIn("1 lines of 1 objects", json.dumps(log))
    main.fail("curl --silent --show-error --fail http://worker:8793/log/")

with subtest("DAGs come from a git repository, and a run keeps to its commit"):
    wait_for("the DAG is known", lambda: api(main, "GET", "dags/acme")["bundle_name"] == "acme")
    run, task = run_from_git(1)
    t.assertEqual((run["bundle_version"], task["hostname"]), (first_commit, "worker"))
    second_commit = commit("second")
    wait_for("it is read", lambda: api(main, "GET", "dags/acme")["bundle_version"] == second_commit)
    run, task = run_from_git(2)
    t.assertEqual(run["bundle_version"], second_commit)
    t.assertIn("second", json.dumps(api(main, "GET", "dags/acme/dagRuns/run2/taskInstances/say/logs/1")))

SECOND = date(2016, 2, 22)
LOAD = "dags/daily_etls/dagRuns/{}/taskInstances/etl_load_events"


def run_of(day):
    return f"scheduled__{day + timedelta(days=1)}T00:00:00%2B00:00"


def start_the_load(day):
    """Have a day's load on the worker host; in its transaction it waits for the unit "hold"."""
    main.succeed(
        "systemd-run --quiet --collect --unit hold $(command -v mysql) warehouse --execute "
        "'LOCK TABLES user_event WRITE; SELECT SLEEP(600)'"
    )
    put_object(main, day + timedelta(days=1), lines=[login(day + timedelta(days=1))])
    writes = "SELECT 1 FROM information_schema.processlist WHERE user = 'worker' AND info LIKE '%user_event%'"
    wait_for("the load writes", lambda: main.succeed(f'mysql --skip-column-names --execute "{writes}"'))


def wait_for_load(day, fault):
    start = time.monotonic()
    run = f"dags/daily_etls/dagRuns/{run_of(day)}"
    wait_for("the day is done", lambda: api(main, "GET", run)["state"] == "success", 240)
    main.log(f"{fault}: {day} was done after {time.monotonic() - start:.0f} s")
    found = main.succeed(
        "mysql --batch --skip-column-names warehouse --execute 'SELECT COUNT(*), COUNT(DISTINCT DATE(timestamp)) "
        "FROM user_event'"
    )
    days = (day - date(2016, 2, 21)).days + 1
    t.assertEqual(found.split(), [str(days), str(days)])
    return api(main, "GET", LOAD.format(run_of(day)))


with subtest("The network of the worker host is cut in mid-load, and comes back"):
    start_the_load(SECOND)
    # What runs is read where it runs.
    log = api(main, "GET", f"{LOAD.format(run_of(SECOND))}/logs/1")
    t.assertIn("http://worker:8793/log/", json.dumps(log))
    worker.succeed("ip link set eth1 down")
    main.succeed("systemctl stop hold")
    main.sleep(30)
    worker.succeed("ip link set eth1 up")
    wait_for_load(SECOND, "network cut for 30 s")

with subtest("A host is drained while its task runs, and another one is added: no task is lost"):
    third, fourth = SECOND + timedelta(days=1), SECOND + timedelta(days=2)
    start_the_load(third)
    worker.fail("airflow-drain nobody")
    worker.succeed("systemd-run --quiet --collect --unit drain $(command -v airflow-drain) default")
    worker.wait_until_succeeds("journalctl --unit drain | grep 'default finishes 1 tasks'", timeout=60)
    start_worker(spare)
    spare.wait_for_unit("airflow-worker.service", timeout=300)
    main.succeed("systemctl stop hold")
    drained = wait_for_load(third, "worker host drained")
    t.assertEqual((drained["hostname"], drained["try_number"]), ("worker", 1))
    worker.wait_until_succeeds("journalctl --unit drain | grep 'Nothing runs any more'", timeout=60)
    put_object(main, fourth + timedelta(days=1), lines=[login(fourth + timedelta(days=1))])
    t.assertEqual(wait_for_load(fourth, "worker host added")["hostname"], "spare")
    main.succeed("{ airflow-health || true; } | grep '^BAD  *worker-default  *no answer'")
    worker.succeed("systemctl start airflow-worker")
    # Of two of one name, the first stays.
    main.wait_until_succeeds(
        "{ airflow-health || true; } | grep '^ok  *worker-default  *takes tasks'", timeout=120
    )

with subtest("A second host of the same name is refused, and says so"):
    spare.succeed("systemctl stop airflow-worker", "hostname worker", "systemctl daemon-reload")
    spare.succeed("systemctl start --no-block airflow-worker")
    spare.wait_until_succeeds(
        "journalctl --unit airflow-worker | grep \"A worker with hostname 'worker-default' is already running\"",
        timeout=120,
    )
    spare.succeed("systemctl stop airflow-worker", "hostname spare", "systemctl daemon-reload")

with subtest("The worker host is gone for good in mid-load: its task moves to the other one"):
    fifth = fourth + timedelta(days=1)
    start_the_load(fifth)
    worker.succeed("ip link set eth1 down")
    spare.succeed("systemctl start airflow-worker", timeout=120)
    main.succeed("systemctl stop hold")
    t.assertEqual(wait_for_load(fifth, "worker host gone")["hostname"], "spare")

with subtest("The logs of the tasks that it ran are still there, from S3"):
    copy = json.dumps(api(main, "GET", f"{DAG_RUN}/taskInstances/etl_load_events/logs/1"))
    t.assertIn("s3://events/task-logs/dag_id=daily_etls/", copy)
    t.assertIn("1 lines of 1 objects", copy)
