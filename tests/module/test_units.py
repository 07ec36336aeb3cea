"""What the module system doesn't look at: names of units and of systemd's settings, and their order."""

import re
import shutil
import subprocess
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.module.nix import StoreFile
from tests.module.system import System, parse_unit, system

HOSTS = ("single", "etl", "main", "worker")
RELATIONS = ("After", "Before", "BindsTo", "PartOf", "Requires", "Wants")
OF_OTHERS = {"mysql.service", "nginx.service", "redis-airflow.service"}
OF_SYSTEMD = {
    "multi-user.target",
    "network-online.target",
    "network.target",
    "shutdown.target",
    "timers.target",
}
# They run nothing: they are for the order of others.
BARRIERS = {"airflow-started.service", "airflow-stopped.service"}
# What each version of systemd was the first to know.
SINCE = {
    "LogFilterPatterns": 253,
    "PrivatePIDs": 257,
    "RestartMaxDelaySec": 254,
    "RestartMode": 254,
    "RestartSteps": 254,
}
HARDENING = {
    "CapabilityBoundingSet": [""],
    "KeyringMode": ["private"],
    "LockPersonality": ["true"],
    "MemoryDenyWriteExecute": ["true"],
    "NoExecPaths": ["/"],
    "NoNewPrivileges": ["true"],
    "PrivateDevices": ["true"],
    "PrivateIPC": ["true"],
    "PrivateMounts": ["true"],
    "PrivatePIDs": ["true"],
    "PrivateTmp": ["true"],
    "PrivateUsers": ["true"],
    "ProcSubset": ["pid"],
    "ProtectClock": ["true"],
    "ProtectControlGroups": ["true"],
    "ProtectHome": ["true"],
    "ProtectHostname": ["true"],
    "ProtectKernelLogs": ["true"],
    "ProtectKernelModules": ["true"],
    "ProtectKernelTunables": ["true"],
    "ProtectProc": ["invisible"],
    "ProtectSystem": ["strict"],
    "RemoveIPC": ["true"],
    "RestrictAddressFamilies": ["AF_UNIX", "AF_INET", "AF_INET6"],
    "RestrictNamespaces": ["true"],
    "RestrictRealtime": ["true"],
    "RestrictSUIDSGID": ["true"],
    "SystemCallArchitectures": ["native"],
    "SystemCallFilter": ["@system-service", "~@privileged @resources"],
    "UMask": ["0077"],
}
OFFLINE = {"RestrictAddressFamilies": ["AF_UNIX"]}
# The first process of a namespace misses a SIGTERM that comes before it listens for one.
DAEMON = {"PrivatePIDs": ["false"]}
EXCEPTIONS = {
    "airflow-dag-processor.service": DAEMON | {"ProcSubset": ["all"]},
    "airflow-scheduler.service": DAEMON,
    "airflow-triggerer.service": DAEMON,
    "airflow-webserver.service": DAEMON,
    "airflow-worker.service": DAEMON | {"ProtectProc": ["default"]},
    # It looks at what processes workers have, and tells them to end.
    "airflow-worker-watch.service": DAEMON | {"ProtectProc": ["default"], "ProcSubset": ["all"]},
    "airflow-worker-logs.service": DAEMON,
    **dict.fromkeys(BARRIERS, OFFLINE),
    "airflow-secrets.service": {"RestrictAddressFamilies": ["none"]},
    "airflow-log-size.service": OFFLINE,
    "airflow-worker-log-size.service": OFFLINE,
    # With a local database these need no network.
    "airflow-admin.service": OFFLINE,
    "airflow-database-cleanup.service": OFFLINE,
    "airflow-migrate.service": OFFLINE,
    "etl-migrate.service": OFFLINE,
    "etl-statistics-reader.service": OFFLINE,
}
HIGHEST_EXPOSURE = 1.2


def _host(name: str) -> System:
    return system(f"hosts.{name}")


def _unknown_units(host: System) -> dict[str, set[str]]:
    known = {unit for unit in host.units if "/" not in unit} | OF_SYSTEMD
    known |= {"mysql.service"} if host.host["mysql"] else set()
    known |= {"nginx.service"} if host.host["nginx"] else set()
    known |= {f"redis-{server}.service" for server in host.host["redis"]}
    named = {unit: set().union(*(host.relation(unit, kind) for kind in RELATIONS)) for unit in host.units}
    return {unit: units - known for unit, units in named.items() if units - known}


@pytest.mark.parametrize("name", HOSTS)
def test_units_name_units_that_exist(name: str) -> None:
    assert _unknown_units(_host(name)) == {}


def test_a_unit_that_does_not_exist_would_be_found() -> None:
    host = system(
        '{ imports = [ hosts.single ]; systemd.services.airflow-worker.after = [ "mysqld.service" ]; }'
    )
    assert _unknown_units(host) == {"airflow-worker.service": {"mysqld.service"}}


@pytest.mark.parametrize("name", HOSTS)
def test_the_order_of_units_has_no_circle(name: str) -> None:
    host = _host(name)
    graph: dict[str, set[str]] = {unit: host.relation(unit, "After") for unit in host.units}
    for unit in host.units:
        for later in host.relation(unit, "Before"):
            graph.setdefault(later, set()).add(unit)
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("name", HOSTS)
def test_every_unit_is_hardened_but_for_the_exceptions(name: str) -> None:
    host = _host(name)
    for unit in host.units:
        if unit.endswith(".service"):
            service = host.service(unit)
            found = {key: service[key] for key in HARDENING}
            assert found == HARDENING | EXCEPTIONS.get(unit, {}), unit


@pytest.mark.parametrize("name", HOSTS)
def test_every_unit_belongs_to_the_target(name: str) -> None:
    host = _host(name)
    for unit in host.units:
        # There is nothing of the barrier to stop.
        if unit.endswith(".service") and unit != "airflow-started.service":
            assert host.relation(unit, "PartOf") == {"airflow.target"}, unit


@pytest.mark.parametrize("name", HOSTS)
def test_the_target_is_started_and_stopped_when_its_daemons_are(name: str) -> None:
    host = _host(name)
    # Before nothing of its own, or it would be stopped before that.
    assert host.relation("airflow.target", "After") == {"airflow-started.service"}
    assert host.units["airflow.target"]["Unit"]["DefaultDependencies"] == ["false"]
    assert host.relation("airflow-stopped.service", "After") == {"airflow.target"}
    assert host.relation("airflow.target", "Wants") >= BARRIERS
    for unit in host.units:
        if unit.endswith(".service") and host.service(unit)["Type"] == ["notify"]:
            assert "airflow-started.service" in host.relation(unit, "Before"), unit


@pytest.mark.parametrize("name", HOSTS)
def test_a_unit_runs_one_program(name: str) -> None:
    host = _host(name)
    for unit in host.units:
        if unit.endswith(".service") and unit not in BARRIERS:
            for once in ("ExecStart", "User", "Type", "StateDirectory"):
                assert len(host.service(unit)[once]) == 1, (unit, once)
            # No shell between systemd and what it signals.
            if host.service(unit)["Type"] == ["notify"]:
                assert r"/bin/systemd-notify --ready --exec -- \; " in host.service(unit)["ExecStart"][0]
                program = "-worker-watch.py " if unit == "airflow-worker-watch.service" else " -m airflow "
                assert program in host.service(unit)["ExecStart"][0]


def test_the_database_is_migrated_before_and_never_beside_the_daemons() -> None:
    host = _host("etl")
    assert host.service("airflow-migrate.service")["Type"] == ["oneshot"]
    assert host.service("airflow-migrate.service")["RemainAfterExit"] == ["true"]
    assert "-migrate.py " in host.service("airflow-migrate.service")["ExecStart"][0]
    for unit in ("airflow-migrate.service", "etl-migrate.service"):
        # What requires it waits until it has succeeded, and MySQL's stop is not its own.
        assert host.service(unit)["Restart"] == ["on-failure"]
        assert host.service(unit)["RestartMode"] == ["direct"]
        assert host.relation(unit, "Requires") == set()
        assert "mysql.service" in host.relation(unit, "Wants") & host.relation(unit, "After")
    for unit in (
        "webserver",
        "scheduler",
        "dag-processor",
        "triggerer",
        "admin",
        "backup",
        "database-cleanup",
    ):
        # Requires= together with After=: a restart of the migration stops them, migrates, starts them.
        assert "airflow-migrate.service" in host.relation(f"airflow-{unit}.service", "Requires")
        assert "airflow-migrate.service" in host.relation(f"airflow-{unit}.service", "After")
    assert host.relation("airflow-admin.service", "Before") == {"airflow-webserver.service"}


def test_a_worker_drains_and_nothing_stops_it_but_its_own_change() -> None:
    host = _host("single")
    unit = "airflow-worker.service"
    service = host.service(unit)
    assert service["KillMode"] == ["mixed"]
    assert service["KillSignal"] == ["SIGTERM"]
    assert service["TimeoutStopSec"] == ["3600"]
    assert host.relation(unit, "Requires") == set()
    assert host.relation(unit, "BindsTo") == set()
    # It stops before the web server does, which its tasks report to.
    assert "airflow-webserver.service" in host.relation(unit, "After")


def test_a_change_of_dags_alone_restarts_their_reader_alone() -> None:
    def texts(folder: str) -> dict[str, str]:
        module = (
            f'{{ imports = [ hosts.single ]; services.airflow.dagsFolder = "/nix/store/{folder}-dags"; }}'
        )
        return system(module).texts

    before, after = texts("a" * 32), texts("b" * 32)
    assert {unit for unit in before if before[unit] != after[unit]} == {"airflow-dag-processor.service"}


def test_a_change_of_settings_restarts_all_that_read_them() -> None:
    before = _host("single").texts
    after = system("{ imports = [ hosts.single ]; services.airflow.settings.core.parallelism = 3; }").texts
    unchanged = {unit for unit in before if before[unit] == after[unit]}
    assert unchanged == BARRIERS | {
        "airflow-log-size.timer",
        "airflow-secrets.service",
        "airflow-worker-log-size.timer",
        "airflow-worker-logs.socket",
        "airflow.target",
        "mysql.service.d/overrides.conf",
        "redis-airflow.service.d/overrides.conf",
    }


def test_a_change_of_one_worker_restarts_that_one() -> None:
    before = _host("single").texts
    after = system("{ imports = [ hosts.single ]; services.airflow.workers.default.concurrency = 9; }").texts
    assert {unit for unit in before if before[unit] != after[unit]} == {"airflow-worker.service"}


def test_a_change_of_connections_restarts_those_who_serve_them() -> None:
    module = '{{ imports = [ hosts.etl ]; services.airflow.connections.more.uri = "http://{}"; }}'
    before, after = (system(module.format(place)).texts for place in ("here", "there"))
    assert {unit for unit in before if before[unit] != after[unit]} == {
        f"airflow-{unit}.service" for unit in ("webserver", "scheduler", "dag-processor", "triggerer")
    }


@pytest.mark.parametrize("name", HOSTS)
def test_a_unit_is_tried_again_until_it_works_unless_time_mends_nothing(name: str) -> None:
    host = _host(name)
    for unit in host.units:
        if unit.endswith(".service") and "Restart" in host.service(unit):
            service = host.service(unit)
            assert service["Restart"] == (["always"] if service["Type"] == ["notify"] else ["on-failure"])
            assert host.units[unit]["Unit"]["StartLimitIntervalSec"] == ["0"]
            assert service["RestartPreventExitStatus"] == ["2 78"]
            assert int(service["RestartMaxDelaySec"][0].removesuffix("s")) <= 30


def test_the_database_and_the_broker_of_the_host_are_tried_again_too() -> None:
    for unit in ("mysql", "redis-airflow"):
        overrides = parse_unit(_host("single").texts[f"{unit}.service.d/overrides.conf"])
        assert overrides["Service"]["Restart"] == ["on-failure"]
        assert overrides["Unit"]["StartLimitIntervalSec"] == ["0"]


@pytest.mark.parametrize("name", HOSTS)
def test_a_missing_credential_does_not_go_unnoticed(name: str) -> None:
    host = _host(name)
    for unit in host.units:
        if unit.endswith(".service"):
            service = host.service(unit)
            fallbacks = dict(one.split(":", 1) for one in service.get("SetCredential", []))
            assert fallbacks == dict.fromkeys(host.credentials(unit), "no such file"), unit
            if fallbacks:
                assert "-airflow-prepare " in service["ExecStart"][0]


def test_aliases() -> None:
    assert _host("single").units["airflow-webserver.service"]["Install"]["Alias"] == [
        "airflow-api-server.service"
    ]


def _systemd_version() -> int:
    said = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"systemd (\d+)", said)
    assert found
    return int(found.group(1))


def _systemds_own_units() -> Path:
    program = shutil.which("systemd-analyze")
    assert program
    installed = Path(program).resolve().parent.parent
    folders = (installed / "lib/systemd/system", installed / "example/systemd/system")
    return next(folder for folder in folders if (folder / "multi-user.target").exists())


def _complaints(root: Path, texts: dict[str, str], files: dict[str, StoreFile]) -> list[str]:
    """Have systemd read the units in a root folder that has what they run."""
    units = root / "etc/systemd/system"
    shutil.copytree(_systemds_own_units(), root / "usr/lib/systemd/system", symlinks=True)
    for unit in OF_OTHERS:
        (root / "usr/lib/systemd/system" / unit).write_text("[Service]\nExecStart=/bin/true\n")
    programs = {"/bin/true"} | {path for path, file in files.items() if file.executable}
    for name, text in texts.items():
        path = units / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for key in ("ExecStart", "ExecStartPre"):
            programs |= {command.split()[0] for command in parse_unit(text).get("Service", {}).get(key, [])}
    for program in programs:
        path = root / program.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    names = [name for name in texts if "/" not in name]
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", f"--root={root}", *(str(units / name) for name in names)],
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    version = _systemd_version()
    unknown = [key for key, since in SINCE.items() if since > version]
    ours = re.compile(r"airflow|etl")
    return [
        line
        for line in said.splitlines()
        if ours.search(line) and not any(f"'{key}'" in line for key in unknown)
    ]


needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="there is no systemd-analyze to read the units with"
)


@needs_systemd
@pytest.mark.parametrize("name", HOSTS)
def test_systemd_has_nothing_to_say_against_the_units(name: str, tmp_path: Path) -> None:
    host = _host(name)
    assert _complaints(tmp_path, host.texts, host.files) == []


@needs_systemd
@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ('systemd.services.airflow-worker.serviceConfig.ExecStrat = "a";', "ExecStrat"),
        ('systemd.services.airflow-worker.serviceConfig.ProtectProc = "gone";', "gone"),
        ('systemd.timers.airflow-backup.timerConfig.OnCalender = "daily";', "OnCalender"),
        ('services.airflow.backup.startAt = "someday";', "someday"),
    ],
)
def test_systemd_would_have(wrong: str, complaint: str, tmp_path: Path) -> None:
    host = system(f"{{ imports = [ hosts.etl ]; {wrong} }}")
    complaints = _complaints(tmp_path, host.texts, host.files)
    assert any(complaint in line for line in complaints), complaints


@needs_systemd
@pytest.mark.parametrize("name", HOSTS)
def test_units_are_hardly_exposed(name: str, tmp_path: Path) -> None:
    for unit, text in _host(name).texts.items():
        if unit.endswith(".service"):
            (tmp_path / unit).write_text(text)
            said = subprocess.run(
                ["systemd-analyze", "security", "--offline=yes", str(tmp_path / unit)],
                capture_output=True,
                text=True,
                check=False,
            ).stdout
            found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
            assert found, said
            assert float(found.group(1)) <= HIGHEST_EXPOSURE, unit


def test_a_remote_database_needs_the_network() -> None:
    remote = system('{ services.airflow = { enable = true; database.host = "db"; }; }')
    for unit in ("airflow-migrate.service", "airflow-admin.service"):
        assert "PrivateNetwork" not in remote.service(unit)
        assert "AF_INET" in remote.service(unit)["RestrictAddressFamilies"]
    assert _host("single").service("airflow-migrate.service")["PrivateNetwork"] == ["true"]
