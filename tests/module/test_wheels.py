"""wheels.json is the lock once more, as Nix takes it; ``make wheels`` brings it up to date."""

import base64
import json
import re
import tomllib
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

from tests.module.nix import PROJECT

LOCK = re.findall(
    r"^([a-z0-9.-]+)==([^\s;]+)(?: ; ([^\\\n]+))? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n?)+)",
    (PROJECT / "requirements.lock").read_text(),
    re.MULTILINE,
)
WHEELS: list[dict[str, Any]] = json.loads((PROJECT / "modules/packages/wheels.json").read_text())
DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text())
SYSTEMS = {"x86_64-linux": "x86_64", "aarch64-linux": "aarch64"}


def of(system: str, group: str) -> dict[str, dict[str, Any]]:
    packages = [one for one in WHEELS if system in one["systems"] and group in one["groups"]]
    named = {one["name"]: one for one in packages}
    assert len(named) == len(packages)
    return named


@pytest.mark.parametrize("system", SYSTEMS)
def test_it_has_every_package_of_the_lock_by_hash(system: str) -> None:
    target = {
        "implementation_name": "cpython",
        "platform_machine": SYSTEMS[system],
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": "3.13.0",
        "python_version": "3.13",
        "sys_platform": "linux",
    }
    locked = {
        name: (version, hashes)
        for name, version, marker, hashes in LOCK
        if not marker or Marker(marker).evaluate(target)
    }
    listed = of(system, "tests") | of(system, "lambda")
    browser = {Requirement(one).name for one in DECLARED["dependency-groups"]["browser"]}
    assert set(listed) == set(locked) - browser
    for name, package in listed.items():
        version, hashes = locked[name]
        source = package["source"]
        assert source["version"] == version, name
        assert base64.b64decode(source["hash"].removeprefix("sha256-")).hex() in hashes, name
        assert source.get("platform", "any") == "any" or SYSTEMS[system] in source["platform"], name


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("group", ["airflow", "lambda", "tests"])
def test_a_group_has_what_is_declared_and_all_that_it_needs(group: str, system: str) -> None:
    packages = of(system, group)
    extras = DECLARED["project"]["optional-dependencies"]
    wanted = list(DECLARED["project"]["dependencies"])
    if group == "lambda":
        wanted += extras["lambda"]
    else:
        wanted += [
            one for extra in ("airflow", "airflow-mysql", "mysql", "postgresql") for one in extras[extra]
        ]
    if group == "tests":
        wanted += [one for of_group in ("embedded", "dev") for one in DECLARED["dependency-groups"][of_group]]
    assert {Requirement(one).name for one in wanted} <= set(packages)
    for package in packages.values():
        assert set(package["dependencies"]) <= set(packages), package["name"]


def test_hosts_get_nothing_of_the_tests() -> None:
    development = {Requirement(one).name for one in DECLARED["dependency-groups"]["dev"]}
    assert not development & set(of("x86_64-linux", "airflow"))


def test_only_what_has_no_wheel_is_built() -> None:
    assert {one["name"] for one in WHEELS if one["source"]["format"] != "wheel"} == {"mysqlclient"}
    assert all("lambda" not in one["groups"] for one in WHEELS if one["source"]["format"] != "wheel")
