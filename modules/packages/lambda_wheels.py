"""Writes lambda-wheels.json: which wheels, of the versions in the lock, AWS Lambda's Python runs.

``python modules/packages/lambda_wheels.py``, after the lock has changed. What Nix builds itself would not
run there: it asks for the C library of its own store.
"""
# A command, and not part of a package.
# ruff: noqa: INP001

import base64
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
LOCK = HERE.parent.parent / "requirements.lock"
WHEELS = HERE / "lambda-wheels.json"
PYTHON = "3.13"
# boto3 is Lambda's own.
NAMES = (
    "alembic",
    "greenlet",
    "mako",
    "markdown-it-py",
    "markupsafe",
    "mdurl",
    "msgspec",
    "psycopg",
    "psycopg-binary",
    "pygments",
    "pymysql",
    "rich",
    "simplejson",
    "sqlalchemy",
    "typing-extensions",
)
SYSTEMS = {"x86_64-linux": "x86_64", "aarch64-linux": "aarch64"}


def locked() -> dict[str, tuple[str, set[str]]]:
    """Return the version and the hashes of every package of the lock."""
    found: dict[str, tuple[str, set[str]]] = {}
    name = ""
    for line in LOCK.read_text().splitlines():
        if pinned := re.match(r"([a-z0-9.-]+)==([^ ]+)", line):
            name = pinned.group(1)
            found[name] = (pinned.group(2), set())
        elif hashed := re.search(r"--hash=sha256:([0-9a-f]{64})", line):
            found[name][1].add(hashed.group(1))
    return found


def wheel(name: str, version: str, machine: str, hashes: set[str]) -> dict[str, str]:
    """Return what nixpkgs' fetchPypi needs for a wheel, which must be one of the lock's.

    Args:
        name: the package.
        version: its version.
        machine: the processor.
        hashes: the lock's, in hexadecimal.
    """
    # Lambda's Python 3.13 runs on Amazon Linux 2023, with version 2.34 of the C library.
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(17, 35)] + [f"manylinux2014_{machine}"]
    options = [word for platform in platforms for word in ("--platform", platform)]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--dest", folder, "--python-version", PYTHON, "--implementation", "cp", *options]
        subprocess.run([*command, f"{name}=={version}"], check=True)  # noqa: S603 - names are those above
        (file,) = Path(folder).iterdir()
        digest = hashlib.sha256(file.read_bytes())
    if digest.hexdigest() not in hashes:
        sys.exit(f"{file.name} is not the one that the lock names")
    distribution, _version, python, abi, platform = file.stem.split("-")
    return {
        "pname": distribution,
        "version": version,
        "python": python,
        "abi": abi,
        "platform": platform,
        "hash": f"sha256-{base64.b64encode(digest.digest()).decode()}",
    }


def main() -> None:
    """Write the file."""
    lock = locked()
    wanted = [(name, *lock[name]) for name in NAMES]
    wheels = {
        system: [wheel(name, version, machine, hashes) for name, version, hashes in wanted]
        for system, machine in SYSTEMS.items()
    }
    WHEELS.write_text(json.dumps(wheels, indent=2) + "\n")


if __name__ == "__main__":
    main()
