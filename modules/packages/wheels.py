"""Writes wheels.json: which files of the lock's packages NixOS hosts, their tests and AWS Lambda take.

``make wheels``, which ``make lock`` does too. Each package is listed with what it needs, its file as nixpkgs'
``fetchPypi`` asks for it, and the systems and the groups that it is for.
"""
# A command, and not part of a package.
# ruff: noqa: INP001

import base64
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
LOCK = PROJECT / "requirements.lock"
WHEELS = HERE / "wheels.json"
PYTHON = (3, 13)
SYSTEMS = {"x86_64-linux": "x86_64", "aarch64-linux": "aarch64"}
# That of Lambda's Amazon Linux 2023, which is the oldest C library of all that take these files.
LIBC = (2, 34)
# What they are made of: extras of pyproject.toml, and its groups for development.
GROUPS: dict[str, tuple[str, ...]] = {
    "airflow": ("airflow", "airflow-mysql", "mysql", "postgresql"),
    "lambda": ("lambda",),
    "tests": ("airflow", "airflow-mysql", "mysql", "postgresql", "embedded", "dev"),
}
# Airflow's own packages need each other in circles. None of them is named as a dependency: the package
# apache-airflow brings its whole group.
AIRFLOW = "apache-airflow"

Package = dict[str, Any]
Needed = tuple[Package, list[str]]


def locked() -> dict[str, set[str]]:
    """Return the hashes (sha256, hexadecimal) of everything in the lock, by ``NAME==VERSION``."""
    found: dict[str, set[str]] = {}
    pin = ""
    for line in LOCK.read_text().splitlines():
        if pinned := re.match(r"[a-z0-9.-]+==[^\s;]+", line):
            pin = pinned.group()
            found[pin] = set()
        elif hashed := re.search(r"--hash=sha256:([0-9a-f]{64})", line):
            found[pin].add(hashed.group(1))
    return found


def resolved() -> list[Package]:
    """Return the lock's packages with their dependencies and files, which it doesn't have itself."""
    pins = re.findall(r"^([a-z0-9.-]+==[^\\\n]+?) \\$", LOCK.read_text(), re.MULTILINE)
    constraints = json.dumps(pins, indent=2)
    uv = Path(sys.executable).with_name("uv")
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "pyproject.toml"
        shutil.copy(PROJECT / project.name, project)
        with project.open("a") as file:
            file.write(f"\n[tool.uv]\nconstraint-dependencies = {constraints}\n")
        subprocess.run([uv, "--quiet", "--system-certs", "lock", "--project", folder], check=True)  # noqa: S603
        packages: list[Package] = tomllib.loads((Path(folder) / "uv.lock").read_text())["package"]
    return packages


def environment(machine: str) -> dict[str, str]:
    """Return what markers are judged by, for a processor."""
    version = ".".join(map(str, PYTHON))
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{version}.0",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{version}.0",
        "python_version": version,
        "sys_platform": "linux",
    }


def needed(packages: list[Package], extras: Iterable[str], machine: str) -> dict[str, Needed]:
    """Return the packages that extras of the project need, each with those that it needs itself."""
    judged = environment(machine)
    found: dict[str, Needed] = {}
    (project,) = (package for package in packages if "editable" in package["source"])
    waiting = [(project, extra) for extra in ("", *extras)]
    seen = set()
    while waiting:
        package, extra = waiting.pop()
        if (package["name"], extra) in seen:
            continue
        seen.add((package["name"], extra))
        _, names = found.setdefault(package["name"], (package, []))
        for dependency in _dependencies(package, extra):
            if "marker" in dependency and not Marker(dependency["marker"]).evaluate(judged):
                continue
            (other,) = (
                one
                for one in packages
                if one["name"] == dependency["name"]
                and one["version"] == dependency.get("version", one["version"])
            )
            names.append(other["name"])
            waiting += [(other, wanted) for wanted in ("", *dependency.get("extra", []))]
    del found[project["name"]]
    return found


def _dependencies(package: Package, extra: str) -> Iterator[dict[str, Any]]:
    if not extra:
        yield from package.get("dependencies", [])
    for kind in ("optional-dependencies", "dev-dependencies"):
        yield from package.get(kind, {}).get(extra, [])


@cache
def tags(machine: str) -> list[Tag]:
    """Return what a processor's Python can run, the best first."""
    major, newest = LIBC
    platforms = [f"manylinux_{major}_{minor}_{machine}" for minor in range(newest, 16, -1)]
    platforms.append(f"manylinux2014_{machine}")
    interpreter = f"cp{PYTHON[0]}{PYTHON[1]}"
    return [
        *cpython_tags(PYTHON, platforms=platforms),
        *compatible_tags(PYTHON, interpreter, [*platforms, "any"]),
    ]


def source(package: Package, machine: str) -> dict[str, str]:
    """Return the file of a package for a processor: its best wheel, or its source where there is none."""
    runs = tags(machine)
    best = len(runs)
    chosen: dict[str, str] | None = None
    for wheel in package.get("wheels", []):
        name = wheel["url"].rsplit("/", 1)[1]
        of_wheel = parse_wheel_filename(name)[3]
        rank = min((runs.index(tag) for tag in of_wheel if tag in runs), default=best)
        if rank < best:
            best = rank
            pname, version, *_build, python, abi, platform = name.removesuffix(".whl").split("-")
            chosen = {"format": "wheel", "pname": pname, "version": version, "dist": python}
            chosen |= {"python": python, "abi": abi, "platform": platform, "hash": wheel["hash"]}
    if chosen is None:
        file = package["sdist"]
        pname, version = file["url"].rsplit("/", 1)[1].removesuffix(".tar.gz").rsplit("-", 1)
        chosen = {"format": "setuptools", "pname": pname, "version": version, "hash": file["hash"]}
    digest = chosen["hash"].removeprefix("sha256:")
    if digest not in locked()[f"{package['name']}=={package['version']}"]:
        sys.exit(f"{package['name']}: its file is not one that {LOCK.name} names; run: make lock")
    return chosen | {"hash": f"sha256-{base64.b64encode(bytes.fromhex(digest)).decode()}"}


def wheels() -> list[dict[str, Any]]:
    """Return what the file lists."""
    packages = resolved()
    listed: dict[str, dict[str, Any]] = {}
    for system, machine in SYSTEMS.items():
        for group, extras in GROUPS.items():
            of_group = needed(packages, extras, machine)
            graph = {
                name: sorted({other for other in names if not other.startswith(AIRFLOW)})
                for name, (_, names) in of_group.items()
            }
            # Raises at a circle.
            TopologicalSorter(graph).prepare()
            for name, (package, _) in of_group.items():
                file = source(package, machine)
                entry = {"name": canonicalize_name(name), "dependencies": graph[name], "source": file}
                one = listed.setdefault(json.dumps(entry), entry | {"systems": [], "groups": []})
                for key, value in (("systems", system), ("groups", group)):
                    if value not in one[key]:
                        one[key].append(value)
    return sorted(listed.values(), key=lambda entry: (entry["name"], entry["systems"]))


def main() -> None:
    """Write the file: a line a package."""
    lines = ",\n".join(json.dumps(entry) for entry in wheels())
    WHEELS.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
