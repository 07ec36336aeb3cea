# A host that was told nothing but enable = true: its units, their order, what they say, and what outlives a boot.
import re

DAEMONS = ["webserver", "scheduler", "dag-processor", "triggerer", "worker"]
UNITS = [f"airflow-{name}.service" for name in DAEMONS]


def said(options=""):
    """Return what the units of Airflow have said in this boot."""
    return machine.succeed(f"journalctl --boot --unit 'airflow-*' --output cat {options}").splitlines()


def healthy():
    answer = machine.wait_until_succeeds(
        f"{CURL} --fail http://127.0.0.1:8080/api/v2/monitor/health", timeout=90
    )
    return all(
        json.loads(answer)[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "triggerer")
    )


def wait_until_up():
    machine.wait_for_unit("airflow.target", timeout=120)
    for unit in UNITS:
        machine.require_unit_state(unit)
    with machine.nested("waiting until Airflow is healthy"):
        retry(lambda last: healthy(), 90)


def moment(unit, event):
    return int(machine.get_unit_property(unit, f"{event}TimestampMonotonic"))


def check_order_of_units():
    migrated = moment("airflow-migrate.service", "ExecMainExit")
    t.assertLessEqual(
        moment("mysql.service", "ActiveEnter"), moment("airflow-migrate.service", "ExecMainStart")
    )
    for unit in UNITS:
        if "worker" not in unit:
            t.assertLessEqual(
                migrated, moment(unit, "ExecMainStart"), f"{unit} started before the migration's end"
            )
    for before in ("redis-airflow.service", "airflow-webserver.service"):
        t.assertLessEqual(moment(before, "ActiveEnter"), moment("airflow-worker.service", "ExecMainStart"))


def migrations():
    """How often the migration ran in this boot."""
    return int(
        machine.succeed("journalctl --boot --unit airflow-migrate --output cat | grep --count '^Finished'")
    )


def processes():
    return {unit: machine.get_unit_property(unit, "MainPID") for unit in UNITS}


def secrets():
    return machine.succeed("cd /var/lib/airflow/secrets; sha256sum *; stat --format '%n %a %U' *")


start_all()

with subtest("The units start in order, after one migration"):
    wait_until_up()
    check_order_of_units()
    t.assertEqual(migrations(), 1)
    t.assertEqual(machine.succeed("systemctl --failed --plain --no-legend --no-pager"), "")

with subtest("The journal knows errors from the rest, and says once when it was"):
    t.assertEqual(said("--priority err"), [])
    # Of the host's time, too.
    stamped = [line for line in said() if re.search(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,]\d", line)]
    t.assertEqual(stamped, [])
    machine.succeed(
        """printf '# A DAG of airflow.\\ndef broken():\\n    raise RuntimeError("broken by intent")\\n\\nbroken()\\n' > /var/lib/airflow-dags/broken.py""",
        "systemctl restart airflow-dag-processor",
    )
    machine.wait_until_succeeds(
        "journalctl --unit airflow-dag-processor --priority err | grep 'broken by intent'", timeout=60
    )
    machine.succeed("rm /var/lib/airflow-dags/broken.py", "systemctl restart airflow-dag-processor")
    # An exception that nobody catches is one in all of its lines.
    drop_in = "/run/systemd/system/airflow-triggerer.service.d"
    machine.succeed(
        f"mkdir -p {drop_in}",
        f"printf '[Service]\\nEnvironment=AIRFLOW__LOGGING__LOGGING_LEVEL=NONSENSE\\n' > {drop_in}/broken.conf",
        "systemctl daemon-reload",
        "systemctl restart airflow-triggerer",
    )
    machine.wait_until_succeeds(
        "journalctl --unit airflow-triggerer --priority err --output cat "
        "| sed --quiet '/^Traceback /,/NONSENSE/p' | grep '^  File '",
        timeout=60,
    )
    machine.succeed(f"rm -r {drop_in}", "systemctl daemon-reload", "systemctl restart airflow-triggerer")

with subtest("A command's answer is nothing but that"):
    for what in ("dags", "connections", "users", "pools"):
        answers = json.loads(machine.succeed(f"airflow {what} list --output json 2> /dev/null"))
        t.assertIsInstance(answers, list, what)
    t.assertEqual(answers[0]["pool"], "default_pool")

with subtest("Old log files of tasks go"):
    for user in ("airflow", "airflow-worker"):
        old, new = f"/var/log/{user}/dag_id=old", f"/var/log/{user}/dag_id=new"
        machine.succeed(
            f"runuser -u {user} -- mkdir {old} {new}",
            f"runuser -u {user} -- touch --date '31 days ago' {old}/attempt=1.log {old}",
            f"runuser -u {user} -- touch --date '29 days ago' {new}/attempt=1.log",
            f"systemd-tmpfiles --clean --prefix /var/log/{user}",
            f"systemctl start {user}-log-size",
        )
        machine.fail(f"test -e {old}")
        machine.succeed(f"test -e {new}/attempt=1.log")

with subtest("The secrets that the host made are nobody else's"):
    for line in secrets().splitlines()[-4:]:
        t.assertRegex(line, r" 400 airflow$")
    t.assertEqual(places_of_secrets(machine), [])

with subtest("Each service restarts alone, and stops at once even when it has just started"):
    for unit in UNITS:
        before = processes()
        machine.succeed(f"systemctl restart {unit}", timeout=120)
        after = processes()
        t.assertEqual([name for name in UNITS if before[name] != after[name]], [unit])
        machine.succeed("sleep 1", f"systemctl stop {unit}", timeout=30)
        machine.succeed(f"systemctl start {unit}", timeout=30)
        machine.wait_for_unit(unit, timeout=30)
    t.assertEqual(migrations(), 1)

with subtest("airflow.target stops, starts and restarts everything, and is done when everything is"):
    machine.succeed("airflow variables set kept 'over a boot'")
    machine.succeed("systemctl stop airflow.target", timeout=120)
    for unit in [*UNITS, "airflow.target", "airflow-migrate.service"]:
        machine.require_unit_state(unit, "inactive")
    machine.require_unit_state("mysql.service")
    machine.fail("nc -z localhost 8080")
    machine.succeed("systemctl start airflow.target", timeout=120)
    for unit in UNITS:
        machine.require_unit_state(unit)
    before = processes()
    machine.succeed("systemctl restart airflow.target", timeout=180)
    after = processes()
    for unit in UNITS:
        machine.require_unit_state(unit)
        t.assertNotEqual(before[unit], after[unit])
    wait_until_up()


def check_second_boot():
    wait_until_up()
    check_order_of_units()
    t.assertEqual(migrations(), 1)
    t.assertEqual(secrets(), made)
    t.assertIn("over a boot", machine.succeed("airflow variables get kept"))


made = secrets()

# The NixOS test driver starts a container only once.
for virtual in machines_qemu:
    with subtest("A second boot keeps the data"):
        virtual.shutdown()
        virtual.start()
        check_second_boot()

    with subtest("And so does one after a power failure"):
        virtual.crash()
        virtual.start()
        check_second_boot()
