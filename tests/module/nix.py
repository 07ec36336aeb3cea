"""Nix expressions, evaluated without a Nix store."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
REPORT = "trace: report: "
# Nix warns root where there are no users to build as; nothing is built.
NIX = ["nix-instantiate", "--option", "build-users-group", ""]


class EvaluationError(Exception):
    """An expression that Nix refused, with what it said."""


@dataclass(frozen=True)
class StoreFile:
    """A file that a module writes to the store."""

    path: str
    text: str
    executable: bool


@dataclass(frozen=True)
class Evaluation:
    """The value of an expression, and what it uses of the store."""

    value: Any
    files: dict[str, StoreFile]
    packages: dict[str, list[str]]


def library() -> Path | None:
    """Return nixpkgs' library, by ``NIXPKGS_LIB``: the folder of its default.nix, or the one above it.

    A whole tree of ``NIXPKGS`` will do too.
    """
    named = os.environ.get("NIXPKGS_LIB") or os.environ.get("NIXPKGS")
    if not named:
        return None
    folders = (Path(named), Path(named) / "lib")
    return next((folder.resolve() for folder in folders if (folder / "default.nix").is_file()), None)


def nix_version() -> tuple[int, ...]:
    """Return the version of Nix here."""
    said = subprocess.run([NIX[0], "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.findall(r"\d+", said)))


def missing() -> str | None:
    """Return what the evaluation lacks here, if anything."""
    if not shutil.which("nix-instantiate"):
        return "there is no nix-instantiate (Debian: the package nix-bin)"
    if not (os.environ.get("NIXPKGS_LIB") or os.environ.get("NIXPKGS")):
        return "NIXPKGS_LIB does not name a copy of nixpkgs' lib"
    if not library():
        named = "NIXPKGS_LIB" if os.environ.get("NIXPKGS_LIB") else "NIXPKGS"
        return f"{named} names {os.environ[named]}, where there is no lib/default.nix"
    return None


def evaluate(expression: str, *, check: bool = True) -> Evaluation:
    """Evaluate an expression in which ``lib`` is nixpkgs' library and ``evaluate`` takes modules.

    Args:
        expression: the expression.
        check: raise what Nix says; without it, the error's text is the value.
    """
    prelude = (
        f"let lib = import {library()}; "
        f"evaluate = modules: import {HERE}/evaluate.nix {{ inherit lib modules; }}; "
        f"hosts = import {HERE}/hosts.nix; "
        f"render = import {HERE}/render.nix {{ inherit lib; }}; in "
    )
    command = [*NIX, "--store", "dummy://", "--eval", "--strict", "--json", "--expr"]
    done = subprocess.run([*command, prelude + expression], capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join(line for line in done.stderr.splitlines() if not line.startswith(REPORT))
        if check:
            raise EvaluationError(said)
        return Evaluation(said, {}, {})
    files: dict[str, StoreFile] = {}
    packages: dict[str, list[str]] = {}
    for line in done.stderr.splitlines():
        if not line.startswith(REPORT):
            continue
        reported = json.loads(line.removeprefix(REPORT))
        if "file" in reported:
            file = StoreFile(reported["file"], reported["text"], reported["executable"])
            files[file.path] = file
        else:
            packages[reported["package"]] = reported.get("contents", [])
    return Evaluation(json.loads(done.stdout), files, packages)
