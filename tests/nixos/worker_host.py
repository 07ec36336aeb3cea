# Two hosts: "main" schedules and serves, "worker" runs the tasks and knows no database of Airflow's.

DAG_RUN = "dags/daily_etls/dagRuns/scheduled__2016-02-22T00:00:00%2B00:00"


# The warehouse is on the main host; the worker comes when there is a user for it.
main.start()
wait_for_airflow(main)
main.succeed(
    'password=$(sed "s/.*worker:\\(.*\\)@.*/\\1/" /etc/credentials/warehouse-url); mysql <<< "'
    "CREATE USER 'worker'@'%' IDENTIFIED BY '$password'; "
    "GRANT SELECT, INSERT, UPDATE, DELETE ON warehouse.* TO 'worker'@'%'\""
)
worker.start()

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
    main.succeed(
        "mysql warehouse --execute \"INSERT INTO organization (organization_id, organization_name) VALUES (1, 'One'); "
        'INSERT INTO organization_user (organization_id, user_id) VALUES (1, 1)"'
    )
    put_object(main, date(2016, 2, 21))
    put_object(main, date(2016, 2, 22))
    wait_for("the day is done", lambda: api(main, "GET", DAG_RUN)["state"] == "success")
    tasks = api(main, "GET", f"{DAG_RUN}/taskInstances")["task_instances"]
    t.assertEqual({task["hostname"] for task in tasks}, {"worker"})
    count = main.succeed(
        'mysql --batch --skip-column-names warehouse --execute "SELECT COUNT(*) FROM user_event"'
    )
    t.assertEqual(count.strip(), "1")

with subtest("The logs of its tasks are readable from the main host"):
    log = api(main, "GET", f"{DAG_RUN}/taskInstances/etl_load_events/logs/1")
    t.assertIn("1 lines of 1 objects", json.dumps(log))
    main.fail("curl --silent --show-error --fail http://worker:8793/log/")
