"""Asks whether any version that the project pins has a known vulnerability: ``python -m tests.audit``.

It asks OSV's public service, or another one of its protocol, which OSV_URL names.
"""

import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

PROJECT = Path(__file__).parent.parent
LOCK = PROJECT / "requirements.lock"
SERVICE = os.environ.get("OSV_URL") or "https://api.osv.dev/v1/query"
TO_CONNECT = 5
TO_ANSWER = 20
FOR_ALL = 300


class UnreachableError(Exception):
    """Nobody answers where the service should be."""


class AuditError(Exception):
    """Some version was not looked up, though there is a service."""


@dataclass(frozen=True)
class Finding:
    """A known vulnerability of a pinned version."""

    pin: str
    names: frozenset[str]
    fixed_in: str

    def __str__(self) -> str:
        """Say what it is, and what to do about it."""
        return (
            f"{self.pin} has {', '.join(sorted(self.names))}; fixed in: {self.fixed_in or 'no version yet'}"
        )


def pins(lock: Path = LOCK) -> set[str]:
    """Return everything that is pinned, as ``NAME==VERSION``, for whichever Python and system it is."""
    return set(re.findall(r"^[^\s=]+==[^\s;]+", lock.read_text(), re.MULTILINE))


def accepted() -> dict[str, dict[str, str]]:
    """Return the advisories that pyproject.toml accepts, with the reason of each, by pin."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    return dict(project["tool"]["etl"]["accepted-vulnerabilities"])


def unaccepted(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that nobody has accepted."""
    # By its name alone: services disagree on which of Airflow's packages has it.
    names = {name for advisories in accepted().values() for name in advisories}
    return [finding for finding in findings if not finding.names & names]


def reach(service: str = SERVICE) -> None:
    """Raise UnreachableError if nobody is there; a refusal is an answer."""
    try:
        urlopen(service, timeout=TO_CONNECT).close()
    except HTTPError:
        return
    except OSError as error:
        raise UnreachableError(f"{service} was not reached: {error}") from error


def known_vulnerabilities(pinned: Iterable[str], service: str = SERVICE) -> list[Finding]:
    """Return what the service knows of these versions."""
    by_name: dict[str, list[str]] = {}
    for pin in sorted(pinned):
        by_name.setdefault(pin.partition("==")[0], []).append(pin)
    # pip-audit takes one version of a package at a time; a lock for every Python has more.
    rounds = [[pin for pin in pins_ if pin] for pins_ in zip_longest(*by_name.values())]
    return [finding for one in rounds for finding in _audit(one, service)]


def _audit(pinned: list[str], service: str) -> list[Finding]:
    environment = dict(os.environ)
    # pip-audit brings certificates of its own, which don't know a company's proxy.
    if certificates := ssl.get_default_verify_paths().cafile:
        environment.setdefault("REQUESTS_CA_BUNDLE", certificates)
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text("\n".join(pinned))
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements)]
        command += ["--no-deps", "--disable-pip", "--strict", "--cache-dir", f"{folder}/cache"]
        command += ["--vulnerability-service", "osv", "--osv-url", service, "--timeout", str(TO_ANSWER)]
        command += ["--format", "json", "--progress-spinner", "off"]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False, timeout=FOR_ALL
            )
        except subprocess.TimeoutExpired as error:
            raise AuditError(f"{service} took more than {FOR_ALL} seconds") from error
    try:
        report: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError) as error:
        raise AuditError(f"pip-audit has no report (exit code {done.returncode}): {done.stderr}") from error
    # It ends well, too, when it has left something out.
    if missing := set(pinned) - {f"{found['name']}=={found.get('version')}" for found in report}:
        raise AuditError(f"pip-audit did not look up {', '.join(sorted(missing))}")
    return [
        Finding(
            f"{found['name']}=={found['version']}",
            frozenset([known["id"], *known["aliases"]]),
            ", ".join(known["fix_versions"]),
        )
        for found in report
        for known in found["vulns"]
    ]


def main() -> int:
    """Print what the service knows."""
    try:
        reach()
        pinned = pins()
        found = known_vulnerabilities(pinned)
    except (UnreachableError, AuditError) as error:
        print(f"not audited: {error}", file=sys.stderr)
        return 2
    bad = unaccepted(found)
    for finding in found:
        print(finding if finding in bad else f"accepted: {finding}")
    print(f"{len(pinned)} versions, {len(found)} known vulnerabilities, {len(bad)} of them not accepted")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
