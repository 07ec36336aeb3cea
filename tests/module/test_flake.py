import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.module.nix import NIX, PROJECT, evaluate

SOURCES = [
    PROJECT / "flake.nix",
    *sorted(path for folder in ("modules", "tests") for path in (PROJECT / folder).rglob("*.nix")),
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_file_parses(path: object) -> None:
    done = subprocess.run([*NIX, "--parse", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_lock_has_the_flakes_inputs() -> None:
    flake = evaluate(f"(import {PROJECT}/flake.nix).inputs").value
    lock = json.loads((PROJECT / "flake.lock").read_text())
    nodes = lock["nodes"]
    assert nodes["root"]["inputs"] == {name: name for name in flake}
    for name, given in flake.items():
        owner, repo, *ref = given["url"].removeprefix("github:").split("/")
        original = {"type": "github", "owner": owner, "repo": repo} | ({"ref": ref[0]} if ref else {})
        assert nodes[name]["original"] == original
        locked = nodes[name]["locked"]
        assert {key: locked[key] for key in ("type", "owner", "repo")} == {
            key: original[key] for key in ("type", "owner", "repo")
        }
        assert re.fullmatch(r"[0-9a-f]{40}", locked["rev"])
        assert re.fullmatch(r"sha256-[A-Za-z0-9+/]{43}=", locked["narHash"])
        followed = {
            name: [one["follows"]] if one["follows"] else [] for name, one in given.get("inputs", {}).items()
        }
        assert nodes[name].get("inputs", {}) == followed


def test_the_flake_has_its_outputs() -> None:
    found = evaluate(
        f"""let
          flake = import {PROJECT}/flake.nix;
          nixpkgs = {{
            lib = lib // {{ nixosSystem = system: system; }};
            legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (_: {{ }});
          }};
          outputs = flake.outputs {{
            inherit nixpkgs;
            self = outputs // {{ outPath = "/source"; }};
            agenix.nixosModules.default = {{ }};
            systems = {PROJECT}/tests/module/nixos/systems.nix;
          }};
        in lib.mapAttrs (_: lib.attrNames) outputs"""
    ).value
    linux = ["aarch64-linux", "x86_64-linux"]
    assert found == {
        "apps": linux,
        "checks": linux,
        "devShells": linux,
        "formatter": linux,
        "nixosConfigurations": ["airflow", "main", "scheduler2", "vm", "worker1", "worker2"],
        "nixosModules": ["airflow", "default", "etl"],
        "packages": linux,
    }


def test_the_packages_have_their_names() -> None:
    found = evaluate(
        f"lib.attrNames (import {PROJECT}/modules/packages (import {PROJECT}/tests/module/packages.nix"
        " { inherit lib; }))"
    ).value
    assert found == ["airflow", "default", "etl", "lambda-load-events", "lambda-organization-stats"]


def test_the_package_of_the_jobs() -> None:
    found = evaluate(
        f"""let
          recipe = import {PROJECT}/modules/packages/etl.nix;
          arguments = lib.genAttrs (lib.attrNames (lib.functionArgs recipe)) (name: name);
          package = recipe (arguments // {{ inherit lib; buildPythonPackage = attributes: attributes; }});
        in removeAttrs package [ "src" ]"""
    ).value
    project = evaluate(f"(lib.importTOML {PROJECT}/pyproject.toml).project").value
    assert found["version"] == project["version"]
    names = {re.split(r"[^a-z0-9-]", dependency)[0] for dependency in project["dependencies"]}
    assert names | {"mysqlclient"} == set(found["dependencies"])


def test_what_the_package_of_the_jobs_is_built_from() -> None:
    if not evaluate("builtins ? readFileType").value:
        pytest.skip("this Nix is too old for nixpkgs' sets of files (2.14 has them)")
    found = evaluate(
        f"""let
          root = {PROJECT};
          inherit (lib) fileset;
        in map (path: lib.removePrefix (toString root) (toString path)) (fileset.toList (
          fileset.unions [
            (root + "/pyproject.toml")
            (fileset.fileFilter (file: !file.hasExt "pyc") (root + "/workflows/etl"))
          ]))"""
    ).value
    assert {"/pyproject.toml", "/workflows/etl/cli/parser.py", "/workflows/etl/migrations/env.py"} <= set(
        found
    )
    assert not [path for path in found if path.endswith(".pyc")]


@pytest.mark.parametrize(
    ("job", "handler"),
    [
        ("load-events", "etl.lambda_handlers.load_events"),
        ("organization-stats", "etl.lambda_handlers.organization_stats"),
    ],
)
def test_a_lambda_package_names_a_handler_that_exists(job: str, handler: str) -> None:
    found = evaluate(
        f"""(import {PROJECT}/modules/packages/lambda.nix {{
          inherit lib;
          fetchPypi = wheel: wheel;
          runCommand = _: attributes: _: attributes;
          stdenv.hostPlatform.system = "x86_64-linux";
          unzip = "unzip";
          zip = "zip";
          job = "{job}";
        }}).passthru.handler"""
    ).value
    assert found == handler
    module, name = handler.rsplit(".", 1)
    assert f"def {name}(" in (PROJECT / "workflows" / f"{module.replace('.', '/')}.py").read_text()


def test_the_checks_find_the_machine_tests(tmp_path: Path) -> None:
    machines = tmp_path / "tests/nixos"
    (machines / "support").mkdir(parents=True)
    (machines / "support/prelude.py").write_text("import json\n")
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/OPERATIONS.md").write_text('type "this"\n')
    (machines / "boot.nix").write_text("self: { machine = { imports = [ self.module ]; }; }")
    (machines / "boot.py").write_text("machine.start()")
    (machines / "upgrade.nix").write_text("_: { machine.specialisation = { }; }")
    (machines / "upgrade.py").write_text("machine.start()")
    found = evaluate(
        f"""let
          checks = import {PROJECT}/tests/module/checks.nix {{
            agenix = "/agenix";
            self = {{
              outPath = {tmp_path};
              module = "a module";
            }};
            pkgs = {{
              inherit lib;
              callPackage = _: _: {{ withPackages = _: "python"; }};
              nix = "nix";
              nixfmt = "nixfmt";
              path = "/nixpkgs";
              systemd = "systemd";
              runCommand = name: _: _: name;
              stdenv.hostPlatform.system = "x86_64-linux";
              testers.runNixOSTest = test: test;
            }};
          }};
        in checks"""
    ).value
    machine = {"machine": {"imports": ["a module"]}}
    script = 'OPERATIONS = "type \\"this\\"\\n"\nimport json\nmachine.start()'
    assert found == {
        "formatting": "formatting",
        "modules": "modules",
        "unit-tests": "unit-tests",
        "nixos-boot-vm": {"name": "boot-vm", "nodes": machine, "testScript": script},
        "nixos-boot-container": {
            "name": "boot-container",
            "containers": machine,
            "testScript": script,
        },
        # A container can't be switched to another configuration.
        "nixos-upgrade-vm": {
            "name": "upgrade-vm",
            "nodes": {"machine": {"specialisation": {}}},
            "testScript": script,
        },
    }
