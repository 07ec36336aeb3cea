# Two hosts: "main" schedules and serves, "worker" runs the tasks and knows no database of Airflow's.
import json

RUN = "scheduled__2016-02-22T00:00:00+00:00".replace("+", "%2B")
EVENT = {"event_id": "1", "timestamp": "2016-02-21 10:00:00", "user_id": 1, "event": "web_login"}


def api(path):
    login = json.dumps({"username": "admin", "password": "PASSWORD"})
    url = "http://127.0.0.1:8080"
    send = "curl --silent --show-error --fail-with-body"
    return json.loads(
        main.succeed(
            f"password=$(cat /etc/credentials/admin-password); login='{login}'; "
            f"token=$({send} --header 'Content-Type: application/json' "
            f'--data "${{login/PASSWORD/$password}}" {url}/auth/token | cut -d \'"\' -f 4); '
            f'{send} --header "Authorization: Bearer $token" "{url}/api/v2/{path}"'
        )
    )


def put(day):
    main.succeed(
        f"curl --silent --show-error --fail --request PUT --header 'Content-Type: application/json' "
        f"--data '{json.dumps(EVENT)}' "
        f"http://127.0.0.1:5000/events/events/{day}/a.json"
    )


# The warehouse is on the main host; the worker comes when there is a user for it.
main.start()
main.wait_for_unit("airflow.target", timeout=120)
main.succeed(
    'password=$(sed "s/.*worker:\\(.*\\)@.*/\\1/" /etc/credentials/warehouse-url); mysql --execute "'
    "CREATE USER 'worker'@'%' IDENTIFIED BY '$password'; "
    "GRANT SELECT, INSERT, UPDATE, DELETE ON warehouse.* TO 'worker'@'%'\""
)
worker.start()
main.wait_until_succeeds("curl --silent --fail http://127.0.0.1:8080/api/v2/version", timeout=60)

with subtest("Each host has its own units, and no more"):
    worker.wait_for_unit("airflow-worker.service", timeout=120)
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
    main.wait_for_open_port(8080, timeout=60)
    put("2016/02/21")
    put("2016/02/22")

    def done(last):
        return api(f"dags/daily_etls/dagRuns/{RUN}")["state"] == "success"

    with main.nested("waiting until the day is done"):
        retry(done, 120)
    tasks = api(f"dags/daily_etls/dagRuns/{RUN}/taskInstances")["task_instances"]
    t.assertEqual({task["hostname"] for task in tasks}, {"worker"})
    count = main.succeed(
        'mysql --batch --skip-column-names warehouse --execute "SELECT COUNT(*) FROM user_event"'
    )
    t.assertEqual(count.strip(), "1")

with subtest("The logs of its tasks are readable from the main host"):
    log = api(f"dags/daily_etls/dagRuns/{RUN}/taskInstances/etl_load_events/logs/1")
    t.assertIn("1 lines of 1 objects", json.dumps(log))
    main.fail("curl --silent --show-error --fail http://worker:8793/log/")
