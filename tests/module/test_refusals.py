import re

import pytest

from tests.module.nix import EvaluationError, evaluate
from tests.module.system import refusals, system

SINGLE = "services.airflow.enable = true;"
WORKER = (
    'services.airflow = { enable = true; mainHost = "main"; credentials.apiSecretKeyFile = "/run/api"; };'
)
ETL = 'services.etl = { enable = true; startDate = "2016-02-21"; s3.bucket = "events"; };'

REFUSED = [
    pytest.param(
        f"{{ pkgs, ... }}: {{ {SINGLE} services.mysql.package = pkgs.mariadb; }}",
        "services.airflow: services.mysql.package is MariaDB, on which Airflow's scheduler crashes; set it "
        "to pkgs.mysql84, or use a MySQL server on another host (services.airflow.database.host).",
        id="MariaDB",
    ),
    pytest.param(
        f'{{ {SINGLE} services.airflow.database = {{ createLocally = true; host = "db"; }}; }}',
        "services.airflow.database: createLocally makes the database on this host, and host names another "
        "one; set one of them.",
        id="local and remote database",
    ),
    pytest.param(
        f"{{ {SINGLE} services.airflow.database.createLocally = false; }}",
        "services.airflow.database: this host runs Airflow's server units; set host, or createLocally = "
        "true.",
        id="no database",
    ),
    pytest.param(
        f'{{ {SINGLE} services.airflow.database.passwordFile = "/run/password"; }}',
        "services.airflow.database: a local database (createLocally) is reached by its socket and has no "
        "password; unset passwordFile.",
        id="password of a local database",
    ),
    pytest.param(
        f'{{ {SINGLE} services.airflow.taskLogs.remote = {{ url = "s3://logs"; connection = "logs"; }}; }}',
        "services.airflow.taskLogs.remote.connection: services.airflow.connections has no logs.",
        id="remote logs by a connection that isn't there",
    ),
    pytest.param(
        f'{{ {SINGLE} services.airflow.webserver.oidc.issuer = "https://id.example.org"; }}',
        "services.airflow.webserver.oidc: set clientSecretFile to the file with the secret that "
        "https://id.example.org has given the client airflow.",
        id="logins elsewhere without a secret",
    ),
    pytest.param(
        f'{{ {SINGLE} services.airflow.database.user = "flow"; }}',
        "services.airflow.database: a local database (createLocally) knows its user by the OS user; "
        'leave user at "airflow".',
        id="another user of a local database",
    ),
    pytest.param(
        f'{{ {SINGLE} services.airflow.redis = {{ createLocally = true; host = "redis"; }}; }}',
        "services.airflow.redis: createLocally makes Redis on this host, and host names another one; set one "
        "of them (workers elsewhere reach this one by redis.bind).",
        id="local and remote Redis",
    ),
    pytest.param(
        f"{{ {SINGLE} services.airflow.redis.createLocally = false; }}",
        "services.airflow: without a broker no task gets to a worker; set mainHost, redis.host, or "
        "redis.createLocally = true.",
        id="no broker",
    ),
    pytest.param(
        f"{{ {WORKER} services.airflow.redis.host = null; }}",
        "services.airflow: without a broker no task gets to a worker; set mainHost, redis.host, or "
        "redis.createLocally = true.",
        id="worker host without a broker",
    ),
    pytest.param(
        f'{{ {SINGLE} services.airflow.redis.bind = "10.0.0.1"; }}',
        "services.airflow.redis: a local Redis that listens on the network (bind) needs passwordFile, and "
        "one on its socket takes none; set both or neither.",
        id="Redis on the network without a password",
    ),
    pytest.param(
        f'{{ {SINGLE} services.airflow.redis.passwordFile = "/run/password"; }}',
        "services.airflow.redis: a local Redis that listens on the network (bind) needs passwordFile, and "
        "one on its socket takes none; set both or neither.",
        id="password of a local Redis",
    ),
    pytest.param(
        f"{{ {WORKER} services.airflow.executionApiUrl = null; }}",
        "services.airflow: the workers have no execution API to report to; set mainHost or executionApiUrl.",
        id="worker host without an execution API",
    ),
    pytest.param(
        '{ services.airflow = { enable = true; mainHost = "main"; }; }',
        "services.airflow.credentials.apiSecretKeyFile: a worker host needs the same key as the main host; "
        "give both the same file.",
        id="worker host without the API's key",
    ),
    pytest.param(
        f"{{ {WORKER} services.airflow.workers.default.enable = false; }}",
        "services.airflow: this host runs nothing; enable a worker, or unset services.airflow.mainHost.",
        id="nothing to run",
    ),
    pytest.param(
        f"{{ {SINGLE} services.airflow.nginx.enable = true; }}",
        "services.airflow.nginx.hostName: set the name under which users reach Airflow.",
        id="nginx without a name",
    ),
    pytest.param(
        f'{{ {WORKER} services.airflow.nginx = {{ enable = true; hostName = "a"; }}; }}',
        "services.airflow.nginx: there is no web server on this host to put nginx in front of.",
        id="nginx on a worker host",
    ),
    pytest.param(
        f'{{ {SINGLE} services.airflow.database.name = "air-flow"; }}',
        "services.airflow.database.name: air-flow cannot be a database on this host; letters, digits and "
        "underscores can, after a letter.",
        id="database name",
    ),
    pytest.param(
        f"{{ {SINGLE} services.mysql.secureSuperUserByDefault = false; }}",
        "services.mysql: root@localhost would take anybody without a password (GHSA-6qxx-6rg8-c4p8); take a "
        "nixpkgs of June 2026 or newer, and leave services.mysql.secureSuperUserByDefault at true.",
        id="open root of MySQL",
    ),
    pytest.param(
        f"{{ {SINGLE} services.airflow.workers.default.concurrency = 0; }}",
        "services.airflow.workers.default.concurrency is 0; a worker runs at least 1 task at a time.",
        id="concurrency 0",
    ),
    pytest.param(
        f"{{ {SINGLE} services.airflow.workers.large.queues = [ ]; }}",
        "services.airflow.workers.large.queues is empty; name a queue, or set enable = false.",
        id="no queue",
    ),
    pytest.param(
        f'{{ {SINGLE} services.airflow.workers."a b" = {{ }}; }}',
        "services.airflow.workers: a b cannot be part of a unit's name; letters, digits, hyphens and "
        "underscores can.",
        id="worker name",
    ),
    pytest.param(
        f"{{ {SINGLE} services.airflow.workers.default.drainTimeout = 86400; }}",
        "services.airflow.workers: a drainTimeout of 86400 s is above "
        "settings.celery_broker_transport_options.visibility_timeout (86400 s), so Redis would hand a task "
        "out again while it still runs; raise that too.",
        id="drain above the visibility timeout",
    ),
    pytest.param(
        f'{{ {SINGLE} services.airflow.connections.a = {{ uri = "http://b"; uriFile = "/run/c"; }}; }}',
        "services.airflow.connections.a: set exactly one of uri and uriFile.",
        id="connection given twice",
    ),
    pytest.param(
        f"{{ {SINGLE} services.airflow.connections.a = {{ }}; }}",
        "services.airflow.connections.a: set exactly one of uri and uriFile.",
        id="empty connection",
    ),
    pytest.param(
        f'{{ {SINGLE} services.airflow.connections."a b".uri = "http://b"; }}',
        "services.airflow.connections: a b is no connection id; letters, digits, dots, hyphens and "
        "underscores make one.",
        id="connection id",
    ),
    pytest.param(
        f'{{ {SINGLE} services.airflow.smtp = {{ enable = true; user = "a"; }}; }}',
        "services.airflow.smtp: set user and passwordFile together, or neither.",
        id="mail user without a password",
    ),
    pytest.param(
        f"{{ {SINGLE} services.airflow.smtp.enable = true;"
        ' services.airflow.connections.smtp_default.uri = "smtp://b"; }',
        "services.airflow.smtp.enable makes the connection smtp_default: set either it or "
        "services.airflow.connections.smtp_default.",
        id="mail connection given twice",
    ),
    pytest.param(
        f"{{ {ETL} }}",
        "services.etl runs on Airflow; set services.airflow.enable = true.",
        id="pipeline without Airflow",
    ),
    pytest.param(
        f"{{ {SINGLE} {ETL} services.etl.warehouse.createLocally = true;"
        ' services.etl.warehouse.urlFile = "/run/url"; }',
        "services.etl.warehouse: createLocally makes the warehouse on this host, and urlFile names another "
        "one; set one of them.",
        id="local and remote warehouse",
    ),
    pytest.param(
        f'{{ {WORKER} services.airflow.redis.passwordFile = "/run/redis"; {ETL} }}',
        "services.etl.warehouse: the jobs run in this host's workers and have no warehouse; set urlFile, or "
        "createLocally = true.",
        id="workers without a warehouse",
    ),
]


@pytest.mark.parametrize(("module", "message"), REFUSED)
def test_a_mistake_is_refused_and_named(module: str, message: str) -> None:
    assert refusals(module) == [message]


def _assert_refused(option: str, value: str) -> None:
    with pytest.raises(EvaluationError, match=rf"{re.escape(option)}.* is not of type"):
        evaluate(f"(evaluate [ {{ {option} = {value}; }} ]).config.{option}")


@pytest.mark.parametrize(
    "option",
    [
        "admin.passwordFile",
        "connections.a.uriFile",
        "credentials.apiSecretKeyFile",
        "credentials.fernetKeyFile",
        "credentials.jwtSecretFile",
        "database.passwordFile",
        "extraCredentials.a.file",
        "redis.passwordFile",
        "smtp.passwordFile",
    ],
)
def test_a_secret_in_the_store_is_refused(option: str) -> None:
    stored = "/nix/store/00000000000000000000000000000000-secret"
    _assert_refused(f"services.airflow.{option}", f'"{stored}"')


@pytest.mark.parametrize("option", ["s3.credentialsFile", "warehouse.urlFile"])
def test_a_secret_of_the_pipeline_in_the_store_is_refused(option: str) -> None:
    stored = "/nix/store/00000000000000000000000000000000-secret"
    _assert_refused(f"services.etl.{option}", f'"{stored}"')


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("webserver.port", "70000"),
        ("webserver.port", '"8080"'),
        ("workers.default.concurrency", "1.5"),
        ("workers.default.drainTimeout", "0"),
        ("databaseCleanup.retentionDays", "0"),
        ("backup.retentionDays", "0"),
        ("backup.directory", '"backup"'),
        ("database.passwordFile", '"password"'),
        ("smtp.encryption", '"ssl"'),
        ("settings.core.parallelism", "{ }"),
        ("admin.username", '"a b"'),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(option: str, value: str) -> None:
    _assert_refused(f"services.airflow.{option}", value)


def test_a_misspelt_option_is_refused() -> None:
    with pytest.raises(EvaluationError, match=r"services\.airflow\.worker' does not exist"):
        system(f"{{ {SINGLE} services.airflow.worker.default = {{ }}; }}")
