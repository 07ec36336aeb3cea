"""The module's scripts around secrets, run."""

import base64
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.module.system import system

HOSTS = ("single", "etl", "main", "worker")
Run = Callable[..., subprocess.CompletedProcess[str]]


def _of_this_machine(script: str) -> str:
    for package, program in (("bash", "bash"), ("coreutils", "od")):
        path = shutil.which(program)
        assert path
        script = re.sub(rf"/nix/store/\w+-{package}/bin\b", str(Path(path).parent), script)
    return script


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script of a host, its programs being this machine's."""

    def run(text: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "script"
        script.write_text(_of_this_machine(text).replace("/var/lib/airflow/secrets", str(tmp_path)))
        return subprocess.run(
            ["bash", str(script), *arguments],
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    folder = tmp_path / "credentials"
    folder.mkdir()
    return folder


def test_a_credential_is_printed_without_its_line_end(run: Run, credentials: Path) -> None:
    (credentials / "fernet-key").write_text("a'b c%\n")
    done = run(
        system("hosts.single").script("-airflow-credential"),
        "fernet-key",
        CREDENTIALS_DIRECTORY=str(credentials),
    )
    assert (done.returncode, done.stdout) == (0, "a'b c%")


def test_a_credential_is_put_into_an_address(run: Run, credentials: Path) -> None:
    (credentials / "database-password").write_text("p@s/é:%\n")
    done = run(
        system("hosts.single").script("-airflow-credential"),
        "database-password",
        "mysql://me:",
        "@db:3306/x",
        CREDENTIALS_DIRECTORY=str(credentials),
    )
    assert done.stdout == "mysql://me:%70%40%73%2f%c3%a9%3a%25@db:3306/x"


def test_a_missing_credential_ends_the_command(run: Run, credentials: Path) -> None:
    done = run(
        system("hosts.single").script("-airflow-credential"), "none", CREDENTIALS_DIRECTORY=str(credentials)
    )
    assert done.returncode != 0
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("no such file", "does not exist"),
        ("", "is empty"),
        ("\n", "is empty"),
        ("one\ntwo\n", "must be a single line"),
    ],
)
def test_a_unit_stops_at_a_bad_credential_and_names_the_option(
    content: str, complaint: str, run: Run, credentials: Path
) -> None:
    for name in ("fernet-key", "jwt-secret"):
        (credentials / name).write_text("good\n")
    (credentials / "redis-password").write_text(content)
    prepare = system("hosts.main").prepare("airflow-scheduler.service")
    done = run(prepare, CREDENTIALS_DIRECTORY=str(credentials))
    option = "services.airflow.redis.passwordFile"
    assert (done.returncode, done.stderr) == (78, f"{option}: /etc/credentials/redis-password {complaint}\n")


def test_a_unit_starts_with_good_credentials(run: Run, credentials: Path) -> None:
    (credentials / "api-secret-key").write_text("good\n")
    # Keys of AWS are a file of lines.
    (credentials / "aws").write_text("[default]\naws_access_key_id = a\n")
    prepare = system("hosts.etl").prepare("airflow-worker.service")
    done = run(prepare, CREDENTIALS_DIRECTORY=str(credentials))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_unit_is_told_of_its_own_credentials_alone() -> None:
    etl = system("hosts.etl")
    for unit in etl.units:
        if unit.endswith(".service") and etl.credentials(unit):
            named = {line.split()[1] for line in etl.prepare(unit).splitlines() if line.startswith("check ")}
            assert named == set(etl.credentials(unit)), unit


def test_connections_are_written_for_airflow_alone(run: Run, credentials: Path, tmp_path: Path) -> None:
    local_filesystem = pytest.importorskip("airflow.secrets.local_filesystem")
    for name in ("api-secret-key", "fernet-key", "jwt-secret", "statistics-reader"):
        (credentials / name).write_text("good\n")
    (credentials / "connection-billing").write_text("http://me:p%40ss=1@billing:80/?a=b\n")
    (credentials / "smtp-password").write_text("p@ss w=1\n")
    connections = tmp_path / "connections.env"
    etl = system("hosts.etl")
    credential = tmp_path / "airflow-credential"
    credential.write_text(_of_this_machine(etl.script("-airflow-credential")))
    credential.chmod(0o755)
    (path,) = (path for path in etl.files if path.endswith("-airflow-credential"))
    prepare = etl.prepare("airflow-webserver.service").replace(path, str(credential))
    script = tmp_path / "prepare"
    script.write_text(prepare)
    subprocess.run(
        ["bash", str(script), str(connections)],
        env={"PATH": os.environ["PATH"], "CREDENTIALS_DIRECTORY": str(credentials)},
        check=True,
    )
    assert connections.stat().st_mode & 0o777 == 0o600
    found = local_filesystem.load_connections_dict(str(connections))
    assert found["billing"].password == "p@ss=1"
    assert found["status_page"].extra_dejson == {"timeout": 10}
    mail = found["smtp_default"]
    assert (mail.conn_type, mail.host, mail.port) == ("smtp", "localhost", 2525)
    assert (mail.login, mail.password) == ("airflow", "p@ss w=1")
    assert mail.extra_dejson == {
        "from_email": "airflow@example.org",
        "disable_ssl": True,
        "disable_tls": True,
    }


def test_a_host_makes_its_secrets_once(run: Run, tmp_path: Path) -> None:
    first = run(system("hosts.single").script("-airflow-secrets"))
    assert (first.returncode, first.stderr) == (0, "")
    names = ("admin-password", "api-secret-key", "fernet-key", "jwt-secret")
    made = {name: (tmp_path / name).read_text() for name in names}
    assert sorted(first.stdout.split()[1::2]) == sorted(str(tmp_path / name) for name in names)
    assert not any(secret.strip() in first.stdout for secret in made.values())
    assert len(set(made.values())) == len(names)
    for name in names:
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o400
    assert len(base64.urlsafe_b64decode(made["fernet-key"])) == 32
    (tmp_path / "jwt-secret").unlink()
    (tmp_path / "jwt-secret.new").write_text("half of a")
    again = run(system("hosts.single").script("-airflow-secrets"))
    assert again.stdout == f"made {tmp_path / 'jwt-secret'}\n"
    kept = {name: (tmp_path / name).read_text() for name in names}
    assert kept.pop("jwt-secret") != made.pop("jwt-secret")
    assert kept == made


def test_given_secrets_are_not_made() -> None:
    script = system("hosts.main").script("-airflow-secrets")
    assert "keep fernet-key" in script
    assert "keep api-secret-key" not in script


@pytest.mark.parametrize("name", HOSTS)
def test_secrets_are_read_from_files_outside_the_store(name: str) -> None:
    host = system(f"hosts.{name}")
    for unit in host.units:
        if unit.endswith(".service"):
            for path in host.credentials(unit).values():
                assert path.startswith(("/etc/credentials/", "/var/lib/airflow/secrets/")), unit


@pytest.mark.parametrize("name", HOSTS)
def test_no_text_holds_a_secret(name: str) -> None:
    host = system(f"hosts.{name}")
    texts = host.texts | {path: file.text for path, file in host.files.items()}
    # An address with a password would have one between a colon and an at.
    with_password = re.compile(r"://[^/\s'\"]*:[^/\s'\"@]+@")
    assert {path for path, text in texts.items() if with_password.search(text)} == set()
    assert "fernet_key" not in host.settings.get("core", {})
    assert "secret_key" not in host.settings["api"]
    assert "jwt_secret" not in host.settings.get("api_auth", {})


def test_the_command_has_what_the_units_have() -> None:
    command = system("hosts.etl").script("/bin/airflow")
    assert "runuser -u airflow -- env -i" in command
    assert "AIRFLOW__CORE__FERNET_KEY_CMD=" in command
    for secret in ("fernet-key", "jwt-secret", "connection-billing", "smtp-password"):
        assert f"install -m 0400 -o airflow -g airflow -- /etc/credentials/{secret} " in command
    assert "warehouse" not in command
    assert subprocess.run(["bash", "-n"], input=command, text=True, check=False).returncode == 0


def test_the_command_of_the_pipeline_has_what_the_jobs_need() -> None:
    command = system("hosts.etl").script("/bin/etl")
    assert "runuser -u etl -- env -i" in command
    assert "AWS_SHARED_CREDENTIALS_FILE=''\"$CREDENTIALS_DIRECTORY\"'/aws'" in command
    assert "fernet" not in command


@pytest.mark.parametrize("name", HOSTS)
def test_scripts_are_well_formed(name: str) -> None:
    for path, file in system(f"hosts.{name}").files.items():
        if file.executable:
            done = subprocess.run(
                ["bash", "-n"], input=file.text, text=True, check=False, capture_output=True
            )
            assert (done.returncode, done.stderr) == (0, ""), path
