# Who can do what on the host, and what the units are denied.

EXPOSURE = 1.2
SERVER = {"connection-billing", "fernet-key", "jwt-secret"}
CREDENTIALS = {
    "airflow-webserver": {"api-secret-key", "statistics-reader", *SERVER},
    "airflow-scheduler": SERVER,
    "airflow-dag-processor": SERVER,
    "airflow-triggerer": {"api-secret-key", "aws", *SERVER},
    "airflow-worker": {"api-secret-key", "aws"},
}
USERS = dict.fromkeys(CREDENTIALS, "airflow") | {"airflow-worker": "airflow-worker", "etl-migrate": "etl"}


def as_user(user, command):
    return f"runuser -u {user} -- {command}"


def sql(user, database, statement):
    return as_user(user, f'mysql {database} --execute "{statement}" 2>&1')


def refused(command, *reasons):
    said = machine.fail(command)
    t.assertTrue(any(reason in said for reason in reasons), f"{command} failed for another reason: {said}")


start_all()
wait_for_airflow(machine)
machine.wait_for_unit("airflow-worker.service", timeout=30)

with subtest("Units run as three users, none of whom can log in"):
    for unit, user in USERS.items():
        t.assertEqual(machine.get_unit_property(unit + ".service", "User"), user)
    for user in set(USERS.values()):
        t.assertRegex(machine.succeed(f"getent passwd {user}"), r"/nologin$")
        t.assertRegex(machine.succeed(f"getent shadow {user} || echo {user}:!"), f"^{user}:[!*]")

with subtest("Each unit has its own credentials, and no more"):
    for unit, names in CREDENTIALS.items():
        t.assertEqual(set(machine.succeed(f"ls /run/credentials/{unit}.service").split()), names, unit)
    for user, others in (
        ("airflow-worker", "airflow-scheduler"),
        ("airflow", "airflow-worker"),
        ("etl", "airflow-worker"),
    ):
        refused(as_user(user, f"ls /run/credentials/{others}.service 2>&1"), "Permission denied")
    for user in set(USERS.values()):
        refused(as_user(user, "cat /etc/credentials/aws 2>&1"), "Permission denied")

with subtest("A user's folders are nobody else's"):
    for user, folder in (
        ("airflow-worker", "/var/lib/airflow"),
        ("airflow-worker", "/var/log/airflow"),
        ("airflow-worker", "/run/airflow-webserver"),
        ("airflow", "/var/lib/airflow-worker"),
        ("airflow", "/var/log/airflow-worker"),
        ("etl", "/var/lib/airflow"),
    ):
        refused(as_user(user, f"ls {folder} 2>&1"), "Permission denied")

with subtest("Tasks reach the warehouse's rows, and not Airflow's database"):
    machine.succeed(sql("airflow-worker", "warehouse", "SELECT COUNT(*) FROM user_event"))
    machine.succeed(sql("airflow-worker", "warehouse", "DELETE FROM unknown_event"))
    for statement in (
        "CREATE TABLE mine (id INT)",
        "DROP TABLE user_event",
        "ALTER TABLE user_event ADD mine INT",
    ):
        refused(sql("airflow-worker", "warehouse", statement), "command denied")
    refused(sql("airflow-worker", "airflow", "SELECT 1"), "Access denied")
    refused(sql("airflow-worker", "mysql", "SELECT 1"), "Access denied")
    # Nor by another name: a user of the database is a user of the system.
    for user in ("airflow", "etl", "root"):
        refused(as_user("airflow-worker", f"mysql --user {user} --execute 'SELECT 1' 2>&1"), "Access denied")

with subtest("Nothing starts on a MySQL whose root takes anybody"):
    machine.succeed(
        "mysql --execute \"ALTER USER root@localhost IDENTIFIED WITH caching_sha2_password BY ''\"",
        "systemctl stop airflow.target",
    )
    machine.fail("systemctl restart airflow-migrate", timeout=60)
    machine.fail("systemctl restart etl-migrate", timeout=60)
    for unit in ("airflow-migrate", "etl-migrate"):
        machine.succeed(f"journalctl --unit {unit} --output cat | grep 'services.mysql: root@localhost'")
    # As it says.
    machine.succeed("mysql --execute 'ALTER USER root@localhost IDENTIFIED WITH auth_socket'")
    machine.succeed("systemctl start airflow.target", timeout=120)
    wait_for_airflow(machine)

with subtest("Airflow's own units reach its database, and not the warehouse"):
    machine.succeed(sql("airflow", "airflow", "SELECT COUNT(*) FROM dag"))
    refused(sql("airflow", "warehouse", "SELECT COUNT(*) FROM user_event"), "Access denied")
    refused(sql("airflow", "mysql", "SELECT 1"), "Access denied")

with subtest("The page on organizations is for account managers, and its user of the warehouse only reads"):
    machine.succeed(
        "printf 'organization_id,organization_name\n1,Acme <Charter>\n' | etl import-organizations -",
        "mysql warehouse --execute \"INSERT INTO organization_statistic VALUES (1, '2016-02-21', 'logins_past_week', 7);"
        " INSERT INTO organization_statistic_total VALUES ('2016-02-21', 'logins_past_week', 1, 7)\"",
    )
    page = "http://127.0.0.1/organizations/"
    said = f"{CURL} --output /run/page --write-out '%{{http_code}}' --header 'Host: localhost'"
    t.assertEqual(machine.succeed(f"{said} {page}"), "401")
    for role, status in (("Viewer", "403"), ("AccountManager", "200")):
        machine.succeed(
            f"airflow users create --username {role} --firstname A --lastname B --email {role}@example.org"
            f" --role {role} --password secret"
        )
        login = json.dumps({"username": role, "password": "secret"})
        answer = machine.succeed(
            f"{CURL} --fail --header 'Content-Type: application/json' --data '{login}' http://127.0.0.1:8080/auth/token"
        )
        token = json.loads(answer)["access_token"]
        t.assertEqual(machine.succeed(f"{said} --header 'Authorization: Bearer {token}' {page}"), status)
    t.assertIn("Acme &lt;Charter&gt;", machine.succeed("cat /run/page"))
    for path in ("dags", "connections", "dagSources/daily_etls"):
        answer = machine.succeed(
            f"{said} --header 'Authorization: Bearer {token}' http://127.0.0.1/api/v2/{path}"
        )
        t.assertEqual(answer, "403", path)
    credential = "/var/lib/airflow/secrets/statistics-reader"
    reader = f"mysql --defaults-file={credential} --user statistics-reader warehouse --execute"
    machine.succeed(f"{reader} 'SELECT COUNT(*) FROM organization'")
    for statement in (
        "DELETE FROM organization",
        "SELECT COUNT(*) FROM user_event",
        "CREATE TABLE mine (id INT)",
    ):
        refused(f"{reader} '{statement}' 2>&1", "command denied")
    refused(as_user("airflow-worker", f"cat {credential} 2>&1"), "Permission denied")
    machine.succeed(
        "mysql warehouse --execute 'DELETE FROM organization_statistic; DELETE FROM organization_statistic_total'"
    )

with subtest("The owner of the warehouse reaches nothing else, and strangers nothing at all"):
    machine.succeed(sql("etl", "warehouse", "SELECT COUNT(*) FROM organization"))
    refused(sql("etl", "airflow", "SELECT 1"), "Access denied")
    refused(sql("nobody", "warehouse", "SELECT 1"), "Access denied")

with subtest("Whoever measures sees counters or the loads, changes nothing, and is asked on the host alone"):
    for database in ("airflow", "mysql", "warehouse"):
        refused(sql("mysqld-exporter", database, "SELECT 1"), "Access denied")
    machine.succeed(sql("etl-metrics", "warehouse", "SELECT COUNT(*) FROM day_load"))
    refused(sql("etl-metrics", "warehouse", "DELETE FROM day_load"), "command denied")
    refused(sql("etl-metrics", "airflow", "SELECT 1"), "Access denied")
    sockets = machine.succeed("ss --no-header --listening --numeric --tcp --udp").split()
    for port in (9102, 9104, 9121, 9125):
        t.assertEqual({one for one in sockets if one.endswith(f":{port}")}, {f"127.0.0.1:{port}"})

with subtest("Redis is for Airflow and its workers"):
    ping = "bash -c 'printf \"PING\\r\\n\" | nc -U -w 2 /run/redis-airflow/redis.sock'"
    for user in ("airflow", "airflow-worker"):
        t.assertIn("PONG", machine.succeed(as_user(user, ping)))
    for user in ("etl", "nobody"):
        refused(as_user(user, f"{ping} 2>&1"), "Permission denied")

with subtest("Airflow's command is for administrators"):
    for user in ("airflow-worker", "etl", "nobody"):
        # Where there is sudo, it is what refuses.
        refused(as_user(user, "airflow version 2>&1"), "this host has no sudo; become root", "sudo: ")

with subtest("No unit is more exposed than it must be"):
    listed = machine.succeed(
        "systemctl list-unit-files --plain --no-legend 'airflow*.service' 'etl*.service'"
    )
    units = [line.split()[0] for line in listed.splitlines() if line.split()[1] != "alias"]
    t.assertLessEqual({f"{unit}.service" for unit in USERS}, set(units))
    for unit in units:
        said = machine.succeed(f"systemd-analyze security --no-pager {unit} | tail -n 1")
        exposure = float(said.split(":")[1].split()[0])
        machine.log(f"{unit}: {exposure}")
        t.assertLessEqual(exposure, EXPOSURE, unit)

with subtest("Callbacks and tasks have the network that they need, and migrations none"):
    for unit, port in (
        ("airflow-dag-processor", 2525),
        ("airflow-worker", 2525),
        ("airflow-worker", 5000),
        ("airflow-triggerer", 5000),
    ):
        process = machine.get_unit_property(f"{unit}.service", "MainPID")
        machine.succeed(f"nsenter --target {process} --net nc -z 127.0.0.1 {port}")
    for unit in ("airflow-migrate", "airflow-admin", "etl-migrate", "etl-statistics-reader"):
        t.assertEqual(machine.get_unit_property(f"{unit}.service", "PrivateNetwork"), "yes", unit)

with subtest("A unit can't do what it is denied"):
    process = machine.get_unit_property("airflow-webserver.service", "MainPID")
    status = machine.succeed(f"cat /proc/{process}/status")
    t.assertRegex(status, r"CapBnd:\s+0+\n")
    t.assertRegex(status, r"NoNewPrivs:\s+1\n")
    t.assertRegex(status, r"Seccomp:\s+2\n")
    inside = f"nsenter --target {process} --mount --"
    refused(f"{inside} touch /etc/mine 2>&1", "Read-only file system")
    t.assertEqual(machine.succeed(f"{inside} ls --almost-all /home /root"), "/home:\n\n/root:\n")
