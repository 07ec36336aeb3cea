# A later version of the configuration: everything restarts in order, and no running task is lost.
import json

DAEMONS = [
    f"airflow-{name}.service" for name in ("webserver", "scheduler", "dag-processor", "triggerer", "worker")
]
RUN = "scheduled__2016-02-22T00:00:00+00:00".replace("+", "%2B")
EVENT = {"event_id": "1", "timestamp": "2016-02-21 10:00:00", "user_id": 1, "event": "web_login"}
SYSTEM = "/run/current-system"


def load():
    login = json.dumps({"username": "admin", "password": "PASSWORD"})
    url = "http://127.0.0.1:8080"
    send = "curl --silent --show-error --fail-with-body"
    answer = machine.succeed(
        f"password=$(cat /etc/credentials/admin-password); login='{login}'; "
        f"token=$({send} --header 'Content-Type: application/json' "
        f'--data "${{login/PASSWORD/$password}}" {url}/auth/token | cut -d \'"\' -f 4); '
        f'{send} --header "Authorization: Bearer $token" '
        f"{url}/api/v2/dags/daily_etls/dagRuns/{RUN}/taskInstances/etl_load_events"
    )
    return json.loads(answer)


def put(day):
    machine.succeed(
        f"curl --silent --show-error --fail --request PUT --header 'Content-Type: application/json' "
        f"--data '{json.dumps(EVENT)}' "
        f"http://127.0.0.1:5000/events/events/{day}/a.json"
    )


def invocations(units):
    return {unit: machine.get_unit_property(unit, "InvocationID") for unit in units}


def moment(unit, event):
    return int(machine.get_unit_property(unit, f"{event}TimestampMonotonic"))


def wait_for_load(state):
    def holds(last):
        found = load()["state"]
        if last:
            machine.log(f"it is {found}")
        return found == state

    with machine.nested(f"waiting until the load is {state}"):
        retry(holds, 90)


def wait_until_up():
    machine.wait_for_unit("airflow.target", timeout=120)
    machine.wait_until_succeeds("curl --silent --fail http://127.0.0.1:8080/api/v2/version", timeout=60)


start_all()
wait_until_up()
SERVICES = ["mysql.service", "redis-airflow.service", "nginx.service"]

with subtest("A load is running"):
    # It can't write before this lets it.
    machine.succeed(
        "systemd-run --quiet --unit hold $(command -v mysql) warehouse --execute "
        "'LOCK TABLES user_event WRITE; SELECT SLEEP(600)'"
    )
    put("2016/02/21")
    put("2016/02/22")
    wait_for_load("running")

with subtest("The worker is drained, and then everything changes"):
    before, services = invocations([*DAEMONS, "airflow-migrate.service"]), invocations(SERVICES)
    machine.succeed(
        "systemd-run --quiet --unit release --on-active 10 --timer-property AccuracySec=100ms "
        "$(command -v systemctl) stop hold"
    )
    machine.succeed(f"{SYSTEM}/specialisation/upgraded/bin/switch-to-configuration test >&2", timeout=300)
    wait_until_up()
    after = invocations(before)
    for unit in before:
        t.assertNotEqual(before[unit], after[unit], f"{unit} still has the old configuration")
    t.assertEqual(invocations(SERVICES), services, "a service was restarted that did not change")

with subtest("The database was migrated while nothing used it"):
    start, end = (
        moment("airflow-migrate.service", "ExecMainStart"),
        moment("airflow-migrate.service", "ExecMainExit"),
    )
    for unit in DAEMONS:
        t.assertLessEqual(moment(unit, "InactiveEnter"), start, f"{unit} still ran")
        if "worker" not in unit:
            t.assertLessEqual(end, moment(unit, "ExecMainStart"), f"{unit} started too early")

with subtest("The task was not lost, nor run again"):
    wait_for_load("success")
    t.assertEqual(load()["try_number"], 1)
    count = machine.succeed(
        'mysql --batch --skip-column-names warehouse --execute "SELECT COUNT(*) FROM user_event"'
    )
    t.assertEqual(count.strip(), "1")

with subtest("The new configuration is in force"):
    t.assertIn(
        "--concurrency 3", machine.succeed("systemctl show airflow-worker.service --property ExecStart")
    )
    t.assertEqual(machine.succeed("airflow config get-value core parallelism").splitlines()[-1], "24")

with subtest("Switching to the same configuration restarts nothing"):
    machine.succeed(f"{SYSTEM}/bin/switch-to-configuration test >&2", timeout=60)
    t.assertEqual(invocations(before), after)
