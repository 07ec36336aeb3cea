import json

from tests.module.nix import PROJECT, evaluate
from tests.module.system import System, system

SINGLE = "hosts.single"
ETL = "hosts.etl"
MAIN = "hosts.main"
WORKER = "hosts.worker"
SERVERS = ("webserver", "scheduler", "dag-processor", "triggerer")
SOCKET = "mysql+mysqldb://airflow@localhost/airflow?unix_socket=/run/mysqld/mysqld.sock&charset=utf8mb4"
NO_DATABASE = "mysql+mysqldb://none@localhost/none?unix_socket=/run/no-database-for-this-unit"


def test_enable_alone_is_a_whole_host() -> None:
    single = system("{ services.airflow.enable = true; }")
    assert set(single.units) == {
        "airflow.target",
        "airflow-secrets.service",
        "airflow-migrate.service",
        "airflow-admin.service",
        *(f"airflow-{server}.service" for server in SERVERS),
        "airflow-log-size.service",
        "airflow-log-size.timer",
        "airflow-worker.service",
        "airflow-worker-log-size.service",
        "airflow-worker-log-size.timer",
        "airflow-worker-logs.service",
        "airflow-worker-logs.socket",
        "airflow-worker-watch.service",
        "airflow-started.service",
        "airflow-stopped.service",
        "mysql.service.d/overrides.conf",
        "redis-airflow.service.d/overrides.conf",
    }
    assert single.units["airflow.target"]["Install"]["WantedBy"] == ["multi-user.target"]
    assert single.warnings == []
    assert single.host["allowedTCPPorts"] == []
    assert single.host["nginx"] == {}


def test_enable_alone_makes_a_database_reached_by_its_socket() -> None:
    single = system(SINGLE)
    assert single.settings["database"] == {"sql_alchemy_conn": SOCKET}
    assert single.host["mysql"] == {
        "ensureDatabases": ["airflow"],
        "ensureUsers": [{"name": "airflow", "ensurePermissions": {"airflow.*": "ALL PRIVILEGES"}}],
        "settings": {
            "mysqld": {
                "character-set-server": "utf8mb4",
                "mysqlx": "OFF",
                "performance_schema": "OFF",
                "skip-networking": True,
            }
        },
    }
    package = evaluate(
        "(evaluate [ { services.airflow.enable = true; } ]).config.services.mysql.package.name"
    )
    assert package.value == "mysql-8.4"


def test_enable_alone_makes_a_redis_reached_by_its_socket() -> None:
    single = system(SINGLE)
    celery = single.settings["celery"]
    assert celery["broker_url"] == "redis+socket:///run/redis-airflow/redis.sock?virtual_host=0"
    assert celery["result_backend"] == "redis+socket:///run/redis-airflow/redis.sock?virtual_host=1"
    redis = single.host["redis"]["airflow"]
    assert redis["port"] == 0
    assert redis["bind"] is None
    assert redis["appendOnly"] is True
    for user in ("airflow", "airflow-worker"):
        assert single.host["users"][user]["extraGroups"] == ["redis-airflow"]
    assert single.units["redis-airflow.service.d/overrides.conf"]["Service"]["Restart"] == ["on-failure"]


def test_the_settings_of_a_single_host() -> None:
    settings = system(SINGLE).settings
    assert settings["core"] == {
        "auth_manager": "airflow_auth_manager.PasswordBoundFabAuthManager",
        "dags_folder": "/var/lib/airflow-dags",
        "default_task_retry_delay": "15",
        "execution_api_server_url": "http://127.0.0.1:8080/execution/",
        "executor": "CeleryExecutor",
        "load_examples": "False",
    }
    assert settings["api"] == {
        "base_url": "http://localhost:8080",
        "enable_swagger_ui": "False",
        "host": "127.0.0.1",
        "log_fetch_timeout_sec": "30",
        "port": "8080",
    }
    assert settings["scheduler"]["scheduler_idle_sleep_time"] == "0.5"
    assert settings["workers"]["min_heartbeat_interval"] == "1"


def test_secrets_that_are_not_given_are_made_by_the_host() -> None:
    single = system(SINGLE)
    assert single.credentials("airflow-scheduler.service") == {
        "fernet-key": "/var/lib/airflow/secrets/fernet-key",
        "jwt-secret": "/var/lib/airflow/secrets/jwt-secret",
    }
    for unit in single.units:
        if unit.endswith(".service") and single.credentials(unit):
            assert "airflow-secrets.service" in single.relation(unit, "After")
            assert "airflow-secrets.service" in single.relation(unit, "Wants")
    given = system("{ imports = [ hosts.etl ]; services.etl.page.enable = false; }")
    assert "airflow-secrets.service" not in given.units


def test_each_unit_runs_as_its_own_user() -> None:
    etl = system(ETL)
    users = {name: etl.service(name)["User"] for name in etl.units if name.endswith(".service")}
    assert users == {
        **{
            f"airflow-{unit}.service": ["airflow"]
            for unit in (
                *SERVERS,
                "migrate",
                "admin",
                "alarm",
                "backup",
                "database-cleanup",
                "metrics",
                "log-size",
                "secrets",
                "started",
                "stopped",
            )
        },
        "airflow-worker.service": ["airflow-worker"],
        "airflow-worker-log-size.service": ["airflow-worker"],
        "airflow-worker-logs.service": ["airflow-worker"],
        "airflow-worker-watch.service": ["airflow-worker"],
        "etl-backup.service": ["etl"],
        "etl-metrics.service": ["etl-metrics"],
        "etl-migrate.service": ["etl"],
        # MySQL's administrator is the system's.
        "etl-statistics-reader.service": ["root"],
    }
    for (user,) in (user for user in users.values() if user != ["root"]):
        assert etl.host["users"][user]["group"] == user
        assert user in etl.host["groups"]


def _assert_worker_knows_nothing_of_the_database(host: System) -> None:
    unit = "airflow-worker.service"
    environment = host.environment(unit)
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == NO_DATABASE
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD" not in environment
    assert "AIRFLOW__CORE__FERNET_KEY_CMD" not in environment
    assert "AIRFLOW__API_AUTH__JWT_SECRET_CMD" not in environment
    assert not {"fernet-key", "jwt-secret", "database-password"} & set(host.credentials(unit))


def test_a_worker_has_no_database_and_no_secret_of_the_servers() -> None:
    for name in (SINGLE, ETL, WORKER):
        _assert_worker_knows_nothing_of_the_database(system(name))
    with_password = """{
      services.airflow = {
        enable = true;
        database.host = "db";
        database.passwordFile = "/run/secrets/database";
      };
    }"""
    _assert_worker_knows_nothing_of_the_database(system(with_password))


def test_a_remote_database_is_reached_with_the_password_of_a_file() -> None:
    remote = system("""{
      services.airflow = {
        enable = true;
        database = {
          host = "db.example.org";
          port = 3307;
          name = "meta";
          user = "flow";
          passwordFile = "/run/secrets/database";
        };
      };
    }""")
    assert remote.host["mysql"] == {}
    assert remote.settings["database"] == {"sql_alchemy_conn": NO_DATABASE}
    for unit in (*SERVERS, "migrate", "admin"):
        command = remote.environment(f"airflow-{unit}.service")["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD"]
        program, *arguments = command.split(" ")
        assert program.endswith("-airflow-credential")
        assert arguments == [
            "database-password",
            "mysql+mysqldb://flow:",
            "@db.example.org:3307/meta?charset=utf8mb4",
        ]
        assert remote.credentials(f"airflow-{unit}.service")["database-password"] == "/run/secrets/database"
    assert "mysql.service" not in remote.relation("airflow-migrate.service", "Requires")
    assert "network-online.target" in remote.relation("airflow-migrate.service", "After")
    assert "network-online.target" in remote.relation("airflow-migrate.service", "Wants")


def test_a_worker_host_is_four_lines_and_runs_a_worker_alone() -> None:
    worker = system("""{
      services.airflow = {
        enable = true;
        mainHost = "main.internal";
        redis.passwordFile = "/run/secrets/redis";
        credentials.apiSecretKeyFile = "/run/secrets/api";
      };
    }""")
    assert set(worker.units) == {
        "airflow.target",
        "airflow-started.service",
        "airflow-stopped.service",
        "airflow-worker.service",
        "airflow-worker-log-size.service",
        "airflow-worker-log-size.timer",
        "airflow-worker-logs.service",
        "airflow-worker-logs.socket",
        "airflow-worker-watch.service",
    }
    # Of one of its connections, a worker host learns by its own looks that it is dead.
    assert worker.host["sysctl"] == {}
    assert worker.settings["celery_broker_transport_options"]["health_check_interval"] == "10"
    assert worker.credentials("airflow-worker-watch.service") == {"redis-password": "/run/secrets/redis"}
    assert worker.host["mysql"] == {}
    assert worker.host["redis"] == {}
    assert [path.split("-")[-1] for path in worker.host["systemPackages"]] == ["health", "drain"]
    assert set(worker.host["users"]) == {"airflow-worker"}
    assert worker.settings["core"]["execution_api_server_url"] == "http://main.internal:8080/execution/"
    # Links in the mails of its tasks.
    assert worker.settings["api"]["base_url"] == "http://main.internal:8080"
    assert worker.settings["database"] == {"sql_alchemy_conn": NO_DATABASE}
    # They hold the password.
    assert not {"broker_url", "result_backend"} & worker.settings["celery"].keys()
    assert worker.credentials("airflow-worker.service") == {
        "api-secret-key": "/run/secrets/api",
        "redis-password": "/run/secrets/redis",
    }
    environment = worker.environment("airflow-worker.service")
    assert environment["AIRFLOW__CELERY__BROKER_URL_CMD"].endswith(
        "-airflow-credential redis-password redis://: @main.internal:6379/0"
    )
    assert environment["AIRFLOW__CELERY__RESULT_BACKEND_CMD"].endswith("@main.internal:6379/1")


def test_a_main_host_serves_redis_to_its_worker_hosts() -> None:
    main = system(MAIN)
    assert "airflow-worker.service" not in main.units
    redis = main.host["redis"]["airflow"]
    assert redis["bind"] == "127.0.0.1 10.0.0.1"
    assert redis["port"] == 6379
    assert redis["requirePassFile"] == "/etc/credentials/redis-password"
    assert sorted(main.host["allowedTCPPorts"]) == [6379, 8080]
    assert (
        main.credentials("airflow-scheduler.service")["redis-password"] == "/etc/credentials/redis-password"
    )
    assert "redis-password" not in main.credentials("airflow-webserver.service")
    # A worker host that is gone keeps no lock of the database for hours.
    assert main.host["sysctl"]["net.ipv4.tcp_keepalive_time"] == 20
    assert system(WORKER).host["allowedTCPPorts"] == [8793]


def test_more_workers_on_a_host() -> None:
    workers = system("""{
      services.airflow = {
        enable = true;
        workers.default.concurrency = 8;
        workers.large = { concurrency = 1; queues = [ "large" "huge" ]; drainTimeout = 7200; };
        workers.off.enable = false;
      };
    }""")
    assert {unit for unit in workers.units if "worker" in unit} == {
        "airflow-worker.service",
        "airflow-worker-large.service",
        "airflow-worker-log-size.service",
        "airflow-worker-log-size.timer",
        "airflow-worker-logs.service",
        "airflow-worker-logs.socket",
        "airflow-worker-watch.service",
    }
    watched = json.loads(workers.script("-airflow-worker-watch.json"))["workers"]
    assert {worker["unit"]: worker["queues"] for worker in watched} == {
        "airflow-worker.service": ["default"],
        "airflow-worker-large.service": ["large", "huge"],
    }
    (default,) = workers.service("airflow-worker.service")["ExecStart"]
    (large,) = workers.service("airflow-worker-large.service")["ExecStart"]
    assert default.endswith(
        "celery worker --celery-hostname %H-default --concurrency 8 --queues default"
        " --pid %t/airflow-worker/pid --skip-serve-logs"
    )
    assert "--celery-hostname %H-large --concurrency 1 --queues large,huge" in large
    # One port for the logs of tasks, so one server of them, that is there when it is asked.
    assert workers.units["airflow-worker-logs.socket"]["Socket"]["ListenStream"] == ["8793"]
    assert "Install" not in workers.units["airflow-worker-logs.service"]
    assert workers.service("airflow-worker-large.service")["TimeoutStopSec"] == ["7200"]


def test_a_task_finds_a_shell() -> None:
    single = system(SINGLE)
    assert "-bash/bin:" in single.environment("airflow-worker.service")["PATH"]
    assert "-bash/bin:" not in single.environment("airflow-webserver.service")["PATH"]


def test_nginx_in_front() -> None:
    proxied = system("""{
      services.airflow = {
        enable = true;
        openFirewall = true;
        nginx = { enable = true; hostName = "airflow.example.org"; enableACME = true; };
      };
    }""")
    site = proxied.host["nginx"]["airflow.example.org"]
    assert site["enableACME"] is True
    assert site["forceSSL"] is True
    assert site["locations"]["/"] == {
        "extraConfig": "proxy_buffering off;\n",
        "proxyPass": "http://127.0.0.1:8080",
        "proxyWebsockets": True,
        "recommendedProxySettings": True,
    }
    (hidden,) = set(site["locations"]) - {"/"}
    assert hidden == r"~ ^/(execution/|(auth/)?(docs|redoc|openapi\.json))"
    assert site["locations"][hidden]["extraConfig"] == "return 404;\n"
    assert proxied.settings["api"]["base_url"] == "https://airflow.example.org"
    assert (proxied.settings["fab"]["cookie_secure"], proxied.settings["fab"]["enable_proxy_fix"]) == (
        "True",
        "True",
    )
    assert proxied.service("airflow-webserver.service")["ExecStart"][0].endswith("api-server --proxy-headers")
    assert sorted(proxied.host["allowedTCPPorts"]) == [80, 443, 8793]
    assert "--proxy-headers" not in system(SINGLE).service("airflow-webserver.service")["ExecStart"][0]


def test_nginx_lets_tasks_pass_that_come_this_way() -> None:
    proxied = system("""{
      services.airflow = {
        enable = true;
        executionApiUrl = "https://airflow.example.org/execution/";
        nginx = { enable = true; hostName = "airflow.example.org"; enableACME = true; };
      };
    }""")
    (hidden,) = set(proxied.host["nginx"]["airflow.example.org"]["locations"]) - {"/"}
    assert hidden == r"~ ^/((auth/)?(docs|redoc|openapi\.json))"


def test_the_address_of_a_user_wins_over_the_one_of_nginx() -> None:
    own = system("""{
      services.airflow = {
        enable = true;
        nginx = { enable = true; hostName = "airflow.example.org"; };
        settings.api.base_url = "https://airflow.example.org:8443";
      };
    }""")
    assert own.settings["api"]["base_url"] == "https://airflow.example.org:8443"


def test_the_pipeline() -> None:
    etl = system(ETL)
    worker = etl.environment("airflow-worker.service")
    assert {key: value for key, value in worker.items() if key.startswith(("ETL", "AWS"))} == {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:5000",
        "AWS_SHARED_CREDENTIALS_FILE": "%d/aws",
        "ETL_ALERT_EMAILS": "data-team@example.org",
        "ETL_LATE_AFTER": "12h",
        "ETL_RUNNER": "local",
        "ETL_S3_BUCKET": "events",
        "ETL_S3_PREFIX": "events",
        "ETL_START_DATE": "2016-02-21",
        "ETL_WAREHOUSE_URL": "mysql+mysqldb://airflow-worker@localhost/warehouse"
        "?unix_socket=/run/mysqld/mysqld.sock&charset=utf8mb4",
    }
    assert etl.settings["core"]["dags_folder"] == "/etc/airflow/dags"
    assert etl.settings["core"]["dags_are_paused_at_creation"] == "False"
    assert etl.host["etc"]["airflow/dags"].endswith("-dags")
    assert etl.units["airflow-dag-processor.service"]["Unit"]["X-Restart-Triggers"] == [
        etl.host["etc"]["airflow/dags"]
    ]


def test_values_of_the_pipeline_arrive_as_they_are_written() -> None:
    etl = system("""{
      services.airflow = { enable = true; environment.KEYS = "%d/keys"; };
      services.etl = {
        enable = true;
        startDate = "2016-02-21";
        s3 = { bucket = "events"; prefix = "x%20y/%d"; endpointUrl = "http://s3/?a=%2F"; };
      };
    }""")
    for unit in ("airflow-worker.service", "airflow-triggerer.service"):
        environment = etl.environment(unit)
        # systemd reads "%%" as "%".
        assert environment["ETL_S3_PREFIX"] == "x%%20y/%%d"
        assert environment["AWS_ENDPOINT_URL_S3"] == "http://s3/?a=%%2F"
        assert environment["KEYS"] == "%d/keys"
    (command,) = (file for path, file in etl.files.items() if path.endswith("-etl/bin/etl"))
    assert "ETL_S3_PREFIX='x%20y/%d'" in command.text
    assert """KEYS=''"$CREDENTIALS_DIRECTORY"'/keys'""" in command.text


def test_the_environment_has_all_that_the_dag_imports() -> None:
    found = evaluate("(evaluate [ hosts.etl ]).config.services.airflow.finalPackage.contents")
    assert found.value == [
        "aiobotocore",
        "aiomysql",
        "apache-airflow",
        "etl",
        "mysqlclient",
        "redis",
        "statsd",
    ]


def test_the_warehouse_is_its_workers_and_nobody_elses() -> None:
    etl = system(ETL)
    assert "warehouse" in etl.host["mysql"]["ensureDatabases"]
    grants = {user["name"]: user["ensurePermissions"] for user in etl.host["mysql"]["ensureUsers"]}
    assert grants == {
        "airflow": {"airflow.*": "ALL PRIVILEGES"},
        "etl": {"warehouse.*": "ALL PRIVILEGES"},
        "airflow-worker": {"warehouse.*": "SELECT, INSERT, UPDATE, DELETE"},
        "etl-metrics": {"warehouse.*": "SELECT"},
        "mysqld-exporter": {"*.*": "USAGE"},
    }
    for server in SERVERS:
        if server != "webserver":
            assert "ETL_WAREHOUSE_URL" not in etl.environment(f"airflow-{server}.service")
            assert "statistics-reader" not in etl.credentials(f"airflow-{server}.service")


def test_the_web_server_alone_has_the_page_and_its_user_of_the_warehouse() -> None:
    etl = system(ETL)
    environment = etl.environment("airflow-webserver.service")
    assert environment["ETL_WAREHOUSE_URL"] == (
        "mysql+mysqldb://statistics-reader@localhost/warehouse?unix_socket=/run/mysqld/mysqld.sock"
        "&charset=utf8mb4&read_default_file=%d/statistics-reader"
    )
    assert environment["AIRFLOW__CORE__PLUGINS_FOLDER"].endswith("-plugins")
    having_plugins = {
        name
        for name in SERVERS
        if "AIRFLOW__CORE__PLUGINS_FOLDER" in etl.environment(f"airflow-{name}.service")
    }
    # The scheduler notes on runs which day they are for.
    assert having_plugins == {"webserver", "scheduler"}
    services = [unit for unit in etl.units if unit.endswith(".service")]
    having = {unit for unit in services if "statistics-reader" in etl.credentials(unit)}
    assert having == {"airflow-webserver.service", "etl-statistics-reader.service"}
    assert "etl-migrate.service" in etl.relation("etl-statistics-reader.service", "Requires")


def test_a_page_of_a_warehouse_elsewhere_is_given_its_address() -> None:
    etl = system("""{
      imports = [ hosts.etl ];
      services.etl.warehouse = { createLocally = false; urlFile = "/run/secrets/warehouse"; };
      services.etl.page.warehouseUrlFile = "/run/secrets/reader";
    }""")
    environment = etl.environment("airflow-webserver.service")
    assert environment["ETL_WAREHOUSE_URL_FILE"] == "%d/statistics-reader"
    assert etl.credentials("airflow-webserver.service")["statistics-reader"] == "/run/secrets/reader"
    assert "etl-statistics-reader.service" not in etl.units


def test_the_warehouses_tables_are_there_before_the_dag_runs() -> None:
    etl = system(ETL)
    # Where backups are made, of what there is before it changes.
    assert etl.script("-etl-migrate").endswith(" -m etl.cli migrate\n")
    without = system("{ imports = [ hosts.etl ]; services.airflow.backup.enable = lib.mkForce false; }")
    assert without.service("etl-migrate.service")["ExecStart"][0].endswith(" -m etl.cli migrate")
    assert "mysql.service" in etl.relation("etl-migrate.service", "After")
    for unit in ("airflow-scheduler.service", "airflow-worker.service"):
        assert "etl-migrate.service" in etl.relation(unit, "After")
    assert "etl-migrate.service" in etl.relation("airflow-worker.service", "Requires")


def test_a_warehouse_elsewhere_is_read_from_a_credential() -> None:
    worker = system("""{
      imports = [ hosts.worker ];
      services.etl = {
        enable = true;
        startDate = "2016-02-21";
        s3.bucket = "events";
        warehouse.urlFile = "/run/secrets/warehouse";
      };
    }""")
    for unit in ("airflow-worker.service", "etl-migrate.service"):
        assert worker.credentials(unit)["warehouse-url"] == "/run/secrets/warehouse"
        assert worker.environment(unit)["ETL_WAREHOUSE_URL_FILE"] == "%d/warehouse-url"
        assert "ETL_WAREHOUSE_URL" not in worker.environment(unit)
    assert worker.host["mysql"] == {}


def test_the_lambda_runner_needs_no_warehouse() -> None:
    jobs = system("""{
      services.airflow.enable = true;
      services.etl = { enable = true; runner = "lambda"; startDate = "2016-02-21"; s3.bucket = "events"; };
    }""")
    assert "etl-migrate.service" not in jobs.units
    assert jobs.host["mysql"]["ensureDatabases"] == ["airflow"]
    assert jobs.environment("airflow-dag-processor.service")["ETL_RUNNER"] == "lambda"


def test_mail_without_a_server_is_warned_of() -> None:
    silent = system("""{
      services.airflow.enable = true;
      services.etl = {
        enable = true;
        startDate = "2016-02-21";
        s3.bucket = "events";
        alertEmails = [ "a@example.org" ];
      };
    }""")
    (warning,) = silent.warnings
    assert warning.startswith(
        "services.etl.alertEmails and weeklyEmails: no mail will be sent; set services.airflow.smtp.enable"
    )


def test_connections_and_variables_are_served_by_the_servers_alone() -> None:
    etl = system(ETL)
    for server in SERVERS:
        unit = f"airflow-{server}.service"
        environment = etl.environment(unit)
        assert environment["AIRFLOW__SECRETS__BACKEND"] == (
            "airflow.secrets.local_filesystem.LocalFilesystemBackend"
        )
        connections = f"%t/airflow-{server}/connections.env"
        assert environment["AIRFLOW__SECRETS__BACKEND_KWARG__CONNECTIONS_FILE_PATH"] == connections
        assert f"-airflow-prepare {connections} " in etl.service(unit)["ExecStart"][0]
        assert etl.credentials(unit)["connection-billing"] == "/etc/credentials/connection-billing"
    assert "AIRFLOW__SECRETS__BACKEND" not in etl.environment("airflow-worker.service")
    assert "connection-billing" not in etl.credentials("airflow-worker.service")
    assert etl.script("-airflow-variables.json") == '{"region":"eu-west-1"}'


def test_further_credentials_go_to_the_units_that_they_are_for() -> None:
    extra = system("""{
      services.airflow = {
        enable = true;
        extraCredentials.token = { file = "/run/secrets/token"; roles = [ "worker" "triggerer" ]; };
      };
    }""")
    having = {
        unit for unit in extra.units if "Service" in extra.units[unit] and "token" in extra.credentials(unit)
    }
    assert having == {"airflow-worker.service", "airflow-triggerer.service"}


def test_one_unit_is_loosened_by_a_plain_value() -> None:
    loosened = system("""{
      services.airflow.enable = true;
      systemd.services.airflow-worker.serviceConfig.MemoryDenyWriteExecute = false;
    }""")
    assert loosened.service("airflow-worker.service")["MemoryDenyWriteExecute"] == ["false"]
    assert loosened.service("airflow-webserver.service")["MemoryDenyWriteExecute"] == ["true"]


def test_maintenance_runs_at_its_times() -> None:
    etl = system(ETL)
    for name in ("airflow", "etl"):
        timer = {"OnCalendar": ["daily"], "Persistent": ["true"]}
        assert etl.units[f"{name}-backup.timer"]["Timer"] == timer
    assert etl.units["airflow-database-cleanup.timer"]["Timer"]["OnCalendar"] == ["weekly"]
    for job in ("airflow-backup", "etl-backup", "airflow-database-cleanup"):
        assert etl.units[f"{job}.timer"]["Install"]["WantedBy"] == ["timers.target"]
        assert "Install" not in etl.units[f"{job}.service"]
    assert etl.service("airflow-database-cleanup.service")["ExecStart"][0].endswith("-cleanup.py 90")
    assert etl.units["airflow-log-size.timer"]["Timer"]["OnCalendar"] == ["hourly"]


def test_each_database_is_backed_up_by_its_owner_and_before_its_tables_change() -> None:
    etl = system(ETL)
    for name, database in (("airflow", "airflow"), ("etl", "warehouse")):
        folder = f"/var/backup/{name}"
        assert etl.service(f"{name}-backup.service")["ReadWritePaths"] == [folder]
        assert etl.service(f"{name}-migrate.service")["ReadWritePaths"] == [f"-{folder}"]
        made = etl.host["tmpfiles"][folder]["d"]
        assert (made["user"], made["group"], made["mode"]) == (name, name, "0700")
        assert f"{name}-migrate.service" in etl.relation(f"{name}-backup.service", "Requires")
        for file in (f"-{name}-backup.json", f"-{name}-migration-backup.json"):
            settings = json.loads(etl.script(file))
            assert (settings["database"], settings["directory"]) == (database, folder)
            assert settings["client"] == {"user": name, "socket": "/run/mysqld/mysqld.sock"}
    # So that the warehouse has what Airflow's record says is done.
    assert "airflow-backup.service" in etl.relation("etl-backup.service", "After")
    databases = json.loads(etl.script("-airflow-restore.json"))["databases"]
    assert {name: database["client"]["user"] for name, database in databases.items()} == {
        "airflow": "root",
        "warehouse": "root",
    }


def test_backups_go_to_s3_with_keys_of_their_own() -> None:
    host = system(ETL)
    alone = system("{ imports = [ hosts.etl ]; services.airflow.backup.s3.bucket = lib.mkForce null; }")
    for name in ("airflow", "etl"):
        unit = f"{name}-backup.service"
        assert host.credentials(unit)["backup-s3"] == "/etc/credentials/aws"
        assert host.environment(unit)["AWS_SHARED_CREDENTIALS_FILE"] == "%d/backup-s3"
        assert json.loads(host.script(f"-{name}-backup.json"))["s3"]["prefix"] == "backups"
        assert "PrivateNetwork" not in host.service(unit)
        assert alone.service(unit)["PrivateNetwork"] == ["true"]
        # What a migration waits for is made here alone.
        assert json.loads(host.script(f"-{name}-migration-backup.json"))["s3"] is None
    assert not {"backup-s3"} & set(host.credentials("airflow-worker.service"))


def test_a_database_elsewhere_is_backed_up_with_its_password() -> None:
    host = system("""{
      services.airflow = {
        enable = true;
        backup.enable = true;
        database = { host = "db.example.org"; passwordFile = "/run/agenix/database-password"; };
      };
    }""")
    assert host.credentials("airflow-backup.service")["database-password"] == "/run/agenix/database-password"
    client = json.loads(host.script("-airflow-backup.json"))["client"]
    assert client["password_file"] == "$CREDENTIALS_DIRECTORY/database-password"
    assert (client["host"], client["port"], client["user"]) == ("db.example.org", 3306, "airflow")
    restored = json.loads(host.script("-airflow-restore.json"))["databases"]["airflow"]
    assert restored["client"]["password_file"] == "/run/agenix/database-password"


def test_the_example_of_a_production_host() -> None:
    host = system(f"import {PROJECT}/modules/hosts/airflow.nix")
    assert host.settings["api"]["base_url"] == "https://airflow.example.org"
    assert {"airflow-backup.timer", "airflow-database-cleanup.timer", "etl-migrate.service"} <= set(
        host.units
    )
    assert host.warnings == []


def _of_cluster(name: str, host: str) -> System:
    module = f"{PROJECT}/modules/hosts/cluster/{host}.nix"
    return system(f'{{ imports = [ {module} ]; networking.hostName = "{name}"; }}')


def test_the_example_of_several_hosts() -> None:
    main, second, worker = (
        _of_cluster(*one) for one in (("main", "main"), ("scheduler2", "scheduler"), ("worker1", "worker"))
    )
    units = {unit.removesuffix(".service") for unit in main.units}
    assert {"airflow-webserver", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"} <= units
    assert "airflow-worker" not in units
    assert {"airflow-scheduler.service", "airflow-triggerer.service"} <= set(second.units)
    assert not {"airflow-webserver.service", "airflow-dag-processor.service"} & set(second.units)
    assert "airflow-worker.service" in worker.units
    assert not {"airflow-scheduler.service", "airflow-migrate.service"} & set(worker.units)
    # What must be the same everywhere is, and no worker has what is not for it.
    for host, unit, names in (
        (main, "scheduler", {"database-password", "jwt-secret", "redis-password"}),
        (second, "scheduler", {"database-password", "jwt-secret", "redis-password"}),
        (second, "triggerer", {"api-secret-key", "database-password", "fernet-key"}),
        (worker, "worker", {"api-secret-key", "redis-password", "warehouse-url"}),
    ):
        credentials = host.credentials(f"airflow-{unit}.service")
        assert {name: credentials[name] for name in names} == {name: f"/run/agenix/{name}" for name in names}
    assert not {"database-password", "jwt-secret"} & set(worker.credentials("airflow-worker.service"))
    for host in (main, second, worker):
        (warning,) = host.warnings
        assert "secrets/ has no api-secret-key" in warning
    # The network that everybody is on has the page and nothing else.
    assert main.host["allowedTCPPorts"] == [80, 443]
    assert second.host["allowedTCPPorts"] == worker.host["allowedTCPPorts"] == []


def test_the_development_machine() -> None:
    found = evaluate(
        f"let e = evaluate [ (import {PROJECT}/modules/vm.nix) ]; in {{ inherit (e) refusals;"
        " inherit (e.config.virtualisation) forwardPorts;"
        " s3 = e.config.systemd.services.s3.serviceConfig.ExecStart;"
        " samples = e.config.systemd.services.sample-data.environment; }"
    ).value
    assert found["refusals"] == []
    (port,) = found["forwardPorts"]
    assert (port["host"]["port"], port["guest"]["port"]) == (8080, 8080)
    assert found["s3"].endswith("/bin/moto_server -H 127.0.0.1 -p 5000")
    assert found["samples"]["ETL_WAREHOUSE_URL"].startswith("mysql+mysqldb://etl@localhost")
    machine = system(f"import {PROJECT}/modules/vm.nix")
    assert machine.settings["api"]["host"] == "0.0.0.0"
    assert 8080 in machine.host["allowedTCPPorts"]


def test_whoever_hears_of_failed_tasks_hears_of_failing_hosts() -> None:
    etl = system(ETL)
    settings = json.loads(etl.script("-airflow-alarm.json"))
    assert settings["to"] == ["data-team@example.org"]
    assert settings["after"] == 300
    # What the target wants is asked on the host.
    assert json.loads(etl.script("-airflow-health.json"))["units"] == [
        "mysql.service",
        "redis-airflow.service",
        "airflow-backup.service",
        "etl-backup.service",
        "airflow-database-cleanup.service",
    ]
    # The password is in no file of the store, and in nobody else's hands.
    assert "password" not in settings
    assert etl.units["airflow-alarm.timer"]["Install"]["WantedBy"] == ["airflow.target"]
    # Nobody to tell, or no way to: no unit.
    assert "airflow-alarm.service" not in system(SINGLE).units
