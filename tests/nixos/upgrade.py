# A later version of the configuration: everything restarts in order, and no running task is lost.
DAEMONS = [
    f"airflow-{name}.service" for name in ("webserver", "scheduler", "dag-processor", "triggerer", "worker")
]
SYSTEM = "/run/current-system"


def invocations(units):
    return {unit: machine.get_unit_property(unit, "InvocationID") for unit in units}


def moment(unit, event):
    return int(machine.get_unit_property(unit, f"{event}TimestampMonotonic"))


start_all()
wait_for_airflow(machine)
SERVICES = ["mysql.service", "redis-airflow.service", "nginx.service"]

with subtest("A load is running"):
    start_a_load_that_waits(machine)

with subtest("The worker is drained, and then everything changes"):
    before, services = invocations([*DAEMONS, "airflow-migrate.service"]), invocations(SERVICES)
    # Later than the worker is asked to stop once more: that must not end the task either.
    machine.succeed(
        "systemd-run --quiet --unit release --on-active 15 --timer-property AccuracySec=100ms "
        "$(command -v systemctl) stop hold"
    )
    machine.succeed(f"{SYSTEM}/specialisation/upgraded/bin/switch-to-configuration test >&2", timeout=300)
    wait_for_airflow(machine)
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
    wait_for("the load is success", lambda: load()["state"] == "success")
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
