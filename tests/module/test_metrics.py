"""What services.airflow.metrics makes of a host."""

from tests.module.nix import evaluate
from tests.module.system import system

MAIN = """{
  imports = [ hosts.main ];
  services.airflow.metrics.enable = true;
}"""
WORKER = "{ imports = [ hosts.worker ]; services.airflow.metrics.enable = true; }"
UNITS = {"airflow-metrics.service", "airflow-metrics.timer"}


def test_without_it_nothing_is_sent_and_nobody_listens() -> None:
    host = system("hosts.single")
    assert host.host["exporters"] == {}
    assert not UNITS & host.units.keys()
    assert "metrics" not in host.settings


def test_exporters_are_read_on_the_host_itself_alone() -> None:
    host = system(MAIN)
    assert host.host["exporters"].keys() == {"mysqld", "redis", "statsd"}
    assert {one["listenAddress"] for one in host.host["exporters"].values()} == {"127.0.0.1"}
    assert host.host["allowedTCPPorts"] == system("hosts.main").host["allowedTCPPorts"]
    assert host.settings["metrics"]["statsd_host"] == "127.0.0.1"
    assert "--statsd.listen-udp=127.0.0.1:9125" in host.host["exporters"]["statsd"]["extraFlags"]


def test_an_exporter_of_mysql_may_read_no_table() -> None:
    (user,) = (one for one in system(MAIN).host["mysql"]["ensureUsers"] if one["name"] == "mysqld-exporter")
    assert user["ensurePermissions"] == {"*.*": "USAGE"}


def test_the_password_of_redis_is_a_credential() -> None:
    host = system(MAIN)
    exporter = host.units["prometheus-redis-exporter.service.d/overrides.conf"]["Service"]
    assert exporter["LoadCredential"] == ["redis-password:/etc/credentials/redis-password"]
    assert '"$CREDENTIALS_DIRECTORY/redis-password"' in host.script("airflow-redis-exporter-password")


def test_a_worker_host_tells_of_itself() -> None:
    host = system(WORKER)
    assert host.host["exporters"].keys() == {"statsd"}
    assert host.service("airflow-metrics.service")["User"] == ["airflow-worker"]


def test_the_warehouse_is_read_by_a_user_who_can_do_nothing_else() -> None:
    host = system("hosts.pipeline")
    assert host.service("etl-metrics.service")["User"] == ["etl-metrics"]
    (user,) = (one for one in host.host["mysql"]["ensureUsers"] if one["name"] == "etl-metrics")
    assert user["ensurePermissions"] == {"warehouse.*": "SELECT"}
    assert host.credentials("etl-metrics.service") == {}


def test_a_warehouse_elsewhere_is_read_with_its_credential() -> None:
    host = system(
        """{
          imports = [ hosts.pipeline ];
          services.etl.warehouse.urlFile = "/etc/credentials/warehouse-url";
        }"""
    )
    assert host.credentials("etl-metrics.service") == {"warehouse-url": "/etc/credentials/warehouse-url"}


def test_prometheus_of_the_host_reads_them_and_has_the_rules() -> None:
    host = "{ imports = [ hosts.pipeline ]; services.airflow.metrics.prometheus.enable = true; }"
    found = evaluate(
        f"let p = (evaluate [ ({host}) ]).config.services.prometheus; in "
        "{ inherit (p) enable listenAddress scrapeConfigs; rules = map toString p.ruleFiles; }"
    )
    (job,) = found.value["scrapeConfigs"]
    assert job["job_name"] == "airflow"
    (static,) = job["static_configs"]
    assert sorted(static["targets"]) == ["127.0.0.1:9102", "127.0.0.1:9104", "127.0.0.1:9121"]
    assert (found.value["enable"], found.value["listenAddress"]) == (True, "127.0.0.1")
    texts = [found.files[path].text for path in found.value["rules"]]
    assert ["AirflowDayLate" in text for text in texts] == [True, False]
    assert "EtlFewRows" in texts[1]
