import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.module.nix import PROJECT, evaluate
from tests.module.system import system

RULES = PROJECT / "secrets/secrets.nix"
HOST = PROJECT / "modules/hosts/airflow.nix"
ON_MAIN = {"admin-password", "database-password", "fernet-key", "jwt-secret", "smtp-password"}
ON_EVERY_HOST = {"api-secret-key", "aws", "redis-password", "warehouse-url"}
# They are for servers that the example host doesn't use, or runs for itself alone.
ELSEWHERE = {"database-password", "redis-password", "warehouse-url"}


@pytest.fixture
def rules(tmp_path: Path) -> dict[str, Any]:
    """The rules, for one owner of each role."""
    shutil.copy(RULES, tmp_path)
    roles = {"operators": ["an operator"], "main": ["the main host"], "workers": ["a worker host"]}
    (tmp_path / "recipients.json").write_text(json.dumps(roles))
    found: dict[str, Any] = evaluate(f"import {tmp_path}/secrets.nix").value
    return found


def test_who_decrypts_what(rules: dict[str, Any]) -> None:
    on_main = {f"{name}.age": {"publicKeys": ["an operator", "the main host"]} for name in ON_MAIN}
    on_every_host = {
        f"{name}.age": {"publicKeys": ["an operator", "the main host", "a worker host"]}
        for name in ON_EVERY_HOST
    }
    assert rules == on_main | on_every_host


def test_the_rules_of_the_repository_are_those_of_its_recipients() -> None:
    recipients = json.loads((RULES.parent / "recipients.json").read_text())
    assert set(recipients) >= {"operators", "main", "workers"}
    asked_as_agenix_does = f'let rules = import {RULES}; in rules."aws.age".publicKeys'
    assert evaluate(asked_as_agenix_does).value == [
        key for role in ("operators", "main", "workers") for key in recipients[role]
    ]


def _host(folder: Path, names: set[str]) -> str:
    """Return the example host, with these secrets in its repository."""
    (folder / "modules/hosts").mkdir(parents=True)
    for file in (HOST, HOST.with_name("hardware.nix")):
        shutil.copy(file, folder / "modules/hosts")
    (folder / "secrets").mkdir()
    for name in names:
        (folder / "secrets" / f"{name}.age").touch()
    # Where agenix would put them.
    paths = "".join(f'"{name}".path = "/run/agenix/{name}"; ' for name in names)
    return f"{{ imports = [ {folder}/modules/hosts/airflow.nix {{ age.secrets = {{ {paths} }}; }} ]; }}"


def test_the_host_uses_the_secrets_that_are_for_it(tmp_path: Path) -> None:
    everything = ON_MAIN | ON_EVERY_HOST
    module = _host(tmp_path, everything)
    decrypted = evaluate(
        f"lib.mapAttrs (_: secret: toString (secret.file or null))"
        f" (evaluate [ ({module}) ]).config.age.secrets"
    ).value
    assert {name for name, file in decrypted.items() if file} == everything - ELSEWHERE
    for name in everything - ELSEWHERE:
        assert decrypted[name] == f"{tmp_path}/secrets/{name}.age"
    host = system(module)
    read = {
        path
        for unit in host.units
        if unit.endswith(".service")
        for path in host.credentials(unit).values()
        if path.startswith("/run/agenix/")
    }
    assert read == {f"/run/agenix/{name}" for name in everything - ELSEWHERE}
    # The password of a user of its own MySQL is all that the host makes.
    assert re.findall("keep (.*)", host.script("-airflow-secrets")) == ["statistics-reader"]


def test_the_host_makes_the_secrets_that_are_missing(tmp_path: Path) -> None:
    host = system(_host(tmp_path, {"aws", "jwt-secret"}))
    assert host.credentials("airflow-webserver.service") == {
        "api-secret-key": "/var/lib/airflow/secrets/api-secret-key",
        "fernet-key": "/var/lib/airflow/secrets/fernet-key",
        "jwt-secret": "/run/agenix/jwt-secret",
        "statistics-reader": "/var/lib/airflow/secrets/statistics-reader",
    }
    assert host.credentials("airflow-worker.service")["aws"] == "/run/agenix/aws"
