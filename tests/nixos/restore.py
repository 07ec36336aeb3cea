# Backups: made, read back and copied elsewhere; and put back on a host that has lost its data.
from datetime import timedelta

DAEMONS = [f"airflow-{name}" for name in ("webserver", "scheduler", "dag-processor", "triggerer", "worker")]
FIRST = date(2016, 2, 21)
DAY = timedelta(days=1)
ORGANIZATION = (
    "INSERT INTO organization (organization_id, organization_name) VALUES (1, 'One'); "
    "INSERT INTO organization_user (organization_id, user_id) VALUES (1, 1)"
)


def query(database, statement):
    """Return the rows, as text."""
    return machine.succeed(
        f'mysql --batch --skip-column-names {database} --execute "{statement}"'
    ).splitlines()


def state(day):
    return api(machine, "GET", f"dags/daily_etls/dagRuns/scheduled__{day + DAY}T00:00:00%2B00:00")["state"]


def healthy():
    answer = machine.succeed(f"{CURL} --fail http://127.0.0.1:8080/api/v2/monitor/health")
    parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
    return all(json.loads(answer)[part]["status"] == "healthy" for part in parts)


def started():
    return [machine.get_unit_property(f"{unit}.service", "InvocationID") for unit in DAEMONS]


def what_is_there():
    """Say what must come back."""
    return {
        "organizations": query("warehouse", "SELECT organization_id, organization_name FROM organization"),
        "events": query("warehouse", "SELECT id, user_id, timestamp FROM user_event ORDER BY id"),
        "statistics": query("warehouse", "SELECT * FROM organization_statistic ORDER BY 1, 2, 3"),
        "runs": query("airflow", "SELECT run_id, start_date FROM dag_run WHERE state = 'success'"),
        "users": query("airflow", "SELECT username FROM ab_user ORDER BY id"),
        "variable": machine.succeed("airflow variables get kept").splitlines()[-1],
        "connection": machine.succeed(
            "airflow connections get partner --output plain | grep --count hunter2"
        ),
    }


def backups(folder):
    return machine.succeed(f"ls {folder}").split()


def refused(files, why):
    status, said = machine.execute(f"airflow-restore --yes {files} 2>&1")
    t.assertEqual(status, 2, said)
    t.assertIn(why, said)


wait_for_airflow(machine)

with subtest("A day is done, and an administrator has been at work"):
    query("warehouse", ORGANIZATION)
    put_object(machine, FIRST)
    put_object(machine, FIRST + DAY)
    wait_for("the day is done", lambda: state(FIRST) == "success")
    machine.succeed(
        "airflow connections add partner --conn-uri http://us:hunter2@partner.example.org",
        "airflow variables set kept 'as it was'",
    )
    api(machine, "GET", "dags")
    before = what_is_there()
    t.assertTrue(all(before.values()), str(before))

with subtest("Each database is backed up by its owner, and copied to S3"):
    machine.succeed("systemctl start airflow-backup etl-backup")
    (of_airflow,), (of_warehouse,) = backups("/var/backup/airflow"), backups("/var/backup/etl")
    of_airflow, of_warehouse = f"/var/backup/airflow/{of_airflow}", f"/var/backup/etl/{of_warehouse}"
    in_s3 = machine.succeed(f"{CURL} --fail 'http://127.0.0.1:5000/events?list-type=2&prefix=backups/'")
    for file, owner in ((of_airflow, "airflow"), (of_warehouse, "etl")):
        t.assertIn(f"<Key>backups/{file.rpartition('/')[2]}</Key>", in_s3)
        t.assertEqual(machine.succeed(f"stat --format '%U %a' {file}"), f"{owner} 600\n")

with subtest("What is no whole backup of this host is refused, before anything is touched"):
    running = started()
    machine.succeed(
        f"head --bytes -100 {of_airflow} > /run/cut.sql.zst",
        "echo 'CREATE TABLE x (y INT);' > /run/text.sql",
        "mysqldump mysql db | zstd --quiet > /run/other.sql.zst",
    )
    refused("/run/cut.sql.zst", "/run/cut.sql.zst is no whole backup")
    refused("/run/text.sql", "/run/text.sql is no")
    refused("/run/none.sql.zst", "No such file")
    refused("/run/other.sql.zst", "holds the database mysql, and this host has airflow, warehouse")
    refused(f"{of_airflow} {of_airflow}", "both hold airflow")
    refused("", "FILE")
    status, said = machine.execute(f"airflow-restore {of_airflow} < /dev/null 2>&1")
    t.assertEqual(status, 2)
    t.assertIn("--yes", said)
    t.assertEqual(started(), running)

with subtest("A host that has lost its data has it again"):
    machine.succeed(
        "systemctl stop airflow.target",
        "mysql --execute 'DROP DATABASE airflow; DROP DATABASE warehouse'",
        f"airflow-restore --yes {of_airflow} {of_warehouse} >&2",
        timeout=300,
    )
    wait_for("all is well", healthy)
    t.assertEqual(what_is_there(), before)
    put_object(machine, FIRST + 2 * DAY)
    wait_for("the next day is done", lambda: state(FIRST + DAY) == "success")
    # Nothing was there to be kept.
    t.assertEqual(len(backups("/var/backup/airflow")), 1)

with subtest("What was there before a restoration is backed up"):
    machine.succeed(f"airflow-restore --yes {of_warehouse} >&2", timeout=300)
    t.assertEqual(what_is_there()["events"], before["events"])
    (_, newest) = backups("/var/backup/etl")
    machine.succeed(f"zstd --decompress --stdout /var/backup/etl/{newest} | grep '{FIRST + DAY} 10:00:00'")

with subtest("Tables are backed up before a migration changes them"):
    machine.succeed(
        "systemctl stop airflow.target",
        "airflow db downgrade --yes --to-version 3.2.0 >&2",
        "mysql --execute 'DROP DATABASE warehouse; CREATE DATABASE warehouse; CREATE TABLE warehouse.kept (x INT)'",
        "systemctl start airflow.target",
        timeout=300,
    )
    wait_for("all is well", healthy)
    t.assertEqual(len(backups("/var/backup/airflow")), 2)
    newest = f"/var/backup/etl/{backups('/var/backup/etl')[-1]}"
    machine.succeed(f"zstd --decompress --stdout {newest} | grep 'CREATE TABLE `kept`'")

with subtest("Old rows are deleted, those in use when they no longer are, and none of the future"):
    old = "'2020-01-01 00:00:00'"
    # A task that starts now would be young.
    machine.succeed("systemctl stop airflow.target", timeout=120)
    query(
        "airflow",
        f"UPDATE dag SET last_parsed_time = {old} WHERE dag_id = 'daily_etls'; UPDATE log SET dttm = {old}; "
        "UPDATE task_instance SET start_date = NULL WHERE dag_id = 'daily_etls'",
    )
    counts = (
        "SELECT (SELECT COUNT(*) FROM dag WHERE dag_id = 'daily_etls'), "
        "(SELECT COUNT(*) FROM log WHERE dttm < '2021-01-01'), "
        "(SELECT COUNT(*) FROM information_schema.tables WHERE table_name LIKE '%deleted%')"
    )
    status, said = machine.execute("airflow db clean --yes --clean-before-timestamp 2999-01-01 2>&1")
    t.assertEqual(status, 2, said)
    t.assertIn("in the future", said)
    t.assertEqual(query("airflow", counts)[0].split()[0], "1")
    machine.succeed("systemctl start airflow-database-cleanup", timeout=120)
    t.assertEqual(query("airflow", counts)[0].split(), ["1", "0", "0"])
    query("airflow", f"UPDATE task_instance SET start_date = {old} WHERE dag_id = 'daily_etls'")
    machine.succeed("systemctl start airflow-database-cleanup", timeout=120)
    t.assertEqual(query("airflow", counts)[0].split(), ["0", "0", "0"])
