"""Everything that the flake has, evaluated with a whole nixpkgs, and what is kept against the real systems.

``NIXPKGS`` and ``AGENIX`` name trees of the flake's inputs; nothing is fetched or built.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.machine.driver import PRELUDE, SCRIPTS, machine_hosts
from tests.module.nix import HERE, evaluate, nix_version
from tests.module.render import RENDERED
from tests.module.system import Unit, parse_unit

# The first whose functions nixpkgs takes for granted.
OLDEST = (2, 18)
# Packages whose names in the store differ from the ones that stand for them here.
NAMES = {
    "bash-interactive": "bash",
    "etl-dags": "dags",
    "etl-plugins": "plugins",
    "glibc-locales": "glibcLocales",
}
HOSTS = sorted(folder.name for folder in RENDERED.iterdir() if (folder / "host.json").exists())


def why_not() -> str | None:
    for variable, file in (("NIXPKGS", "nixos/default.nix"), ("AGENIX", "modules/age.nix")):
        if not os.environ.get(variable):
            return f"{variable} names no tree of that input"
        if not (Path(os.environ[variable]) / file).is_file():
            return f"{variable} names {os.environ[variable]}, where there is no {file}"
    version = nix_version()
    if version < OLDEST:
        return f"nixpkgs needs Nix {'.'.join(map(str, OLDEST))}, and this is {'.'.join(map(str, version))}"
    return None


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "")


def whole(expression: str) -> Any:
    """Evaluate an expression in which ``flake`` is all of nixpkgs.nix."""
    trees = {name: Path(os.environ[name.upper()]).resolve() for name in ("nixpkgs", "agenix")}
    given = " ".join(f"{name} = {tree};" for name, tree in trees.items())
    return evaluate(f"let flake = import {HERE}/nixpkgs.nix {{ {given} }}; in {expression}").value


def outputs() -> list[tuple[str, str, str]]:
    """Return the path of each output that can be built."""
    if why_not():
        return []
    found = whole("lib.mapAttrs (_: lib.mapAttrs (_: lib.attrNames)) flake.derivations")
    return [
        (kind, system, name)
        for kind, of_kind in found.items()
        for system, names in of_kind.items()
        for name in names
    ]


@pytest.mark.parametrize("output", outputs(), ids=".".join)
def test_an_output_evaluates_and_nothing_broken_or_insecure_is_allowed(output: tuple[str, ...]) -> None:
    path = ".".join(f'"{part}"' for part in output)
    drv = whole(f"let found = flake.derivations.{path}; in found.drvPath or found")
    assert drv.startswith("/nix/store/")


@pytest.fixture(scope="module", params=HOSTS)
def host(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """A host of the tests as a real system."""
    return request.param, whole(f"flake.hosts.{request.param}")


def plain(value: Any) -> Any:
    """Return a value without what another nixpkgs would change: hashes and versions in store paths."""

    def name(match: re.Match[str]) -> str:
        bare = re.sub(r"-\d[^-]*|-bin$", "", match[1])
        return f"/nix/store/{NAMES.get(bare, bare)}"

    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return re.sub(r"/nix/store/[0-9a-z]{32}-([^/\s\"':,]+)", name, value) if isinstance(value, str) else value


def settled(text: str, install: dict[str, list[str]] | None = None) -> Unit:
    """Return a unit, without the value of its restart triggers, which are a hash.

    Args:
        text: the unit's file.
        install: the links that NixOS makes itself, which are its [Install].
    """
    unit: Unit = plain(parse_unit(text))
    if "X-Restart-Triggers" in unit.get("Unit", {}):
        unit["Unit"]["X-Restart-Triggers"] = ["a hash"]
    if install is not None:
        unit["Install"] = {key: [" ".join(units)] for key, units in install.items() if units}
    return {name: options for name, options in unit.items() if options}


def test_a_real_system_accepts_the_host(host: tuple[str, dict[str, Any]]) -> None:
    _, system = host
    assert system["refusals"] == []


def test_the_kept_units_are_those_of_the_real_system(host: tuple[str, dict[str, Any]]) -> None:
    name, system = host
    for path in sorted((RENDERED / name / "units").iterdir()):
        if path.is_dir():
            unit = path.name.removesuffix(".d")
            (drop_in,) = path.iterdir()
            kept = parse_unit(drop_in.read_text())["Service"]
            real = parse_unit(system["units"][unit]["text"])["Service"]
            assert plain({key: real.get(key) for key in kept}) == plain(kept), unit
            continue
        real_unit = system["units"][path.name]
        assert settled(path.read_text()) == settled(real_unit["text"], real_unit["install"]), path.name
    ours = re.compile(r"(airflow|etl).*\.(service|timer|target)")
    assert {unit for unit in system["units"] if ours.fullmatch(unit)} <= {
        path.name for path in (RENDERED / name / "units").iterdir()
    }


def differences(kept: Any, real: Any, where: str = "") -> list[str]:
    """Return what a real system lacks of what is kept; it may have more."""
    if isinstance(kept, dict):
        return [
            line
            for key, value in kept.items()
            for line in (
                differences(value, real[key], f"{where}.{key}")
                if key in real
                else [f"{where}.{key} is missing"]
            )
        ]
    if isinstance(kept, list):
        return [f"{where}: {one} is missing" for one in kept if one not in real]
    return [] if kept == real else [f"{where}: {kept} is kept, and {real} real"]


def test_users_and_services_are_those_of_the_real_system(host: tuple[str, dict[str, Any]]) -> None:
    name, system = host
    kept = json.loads((RENDERED / name / "host.json").read_text())
    assert differences(plain(kept), plain(system["host"])) == []


@pytest.mark.parametrize("kind", ["qemu", "nspawn"])
@pytest.mark.parametrize("name", sorted(script.stem for script in SCRIPTS.glob("*.py")))
def test_the_real_test_driver_accepts_a_script(name: str, kind: str, tmp_path: Path) -> None:
    library = Path(os.environ["NIXPKGS"]).resolve() / "nixos/lib"
    hosts = "".join(f"{host} = create_fake_{kind}_machine()\n" for host in machine_hosts(name))
    script = tmp_path / f"{name}.py"
    parts = [library / "test-script-prepend.py", PRELUDE, SCRIPTS / f"{name}.py"]
    prepended, prelude, own = (part.read_text() for part in parts)
    script.write_text(f"{prepended}\nOPERATIONS = ''\n{hosts}{prelude}{own}")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ty", "check", "--output-format", "concise"),
            *("--extra-search-path", library / "test-driver/src", script),
        ],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
