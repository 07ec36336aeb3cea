"""Writes what the repository keeps of the modules: rendered units, and the options reference.

``python -m tests.module.render`` writes, with ``--check`` it says what is out of date.
"""

import json
import shutil
import sys
from pathlib import Path

from tests.module.nix import HERE, PROJECT, evaluate, missing

RENDERED = PROJECT / "tests" / "machine" / "rendered"
REFERENCE = PROJECT / "modules" / "OPTIONS.md"
STORE = "/nix/store/"


def rendered() -> dict[Path, tuple[str, bool]]:
    """Return every file, its text and whether it is executable."""
    hosts = evaluate("lib.mapAttrs (_: host: render (evaluate [ host ]).config) hosts")
    files: dict[Path, tuple[str, bool]] = {}
    for name, host in hosts.value.items():
        for unit, text in host["units"].items():
            files[RENDERED / name / "units" / unit] = (text, False)
        files[RENDERED / name / "host.json"] = (_json(host["host"]), False)
    for file in hosts.files.values():
        files[RENDERED / "store" / file.path.removeprefix(STORE)] = (file.text, file.executable)
    files[RENDERED / "packages.json"] = (_json(hosts.packages), False)
    reference = evaluate(f"import {HERE}/reference.nix {{ inherit lib; }} (evaluate [ ]).options")
    files[REFERENCE] = (reference.value, False)
    return files


def stale() -> list[str]:
    """Return a line for each file that is not as the modules say."""
    wanted = rendered()
    kept = {path for path in RENDERED.rglob("*") if path.is_file()} | {REFERENCE}
    lines = [f"{path.relative_to(PROJECT)} is no longer rendered" for path in sorted(kept - wanted.keys())]
    for path, (text, executable) in sorted(wanted.items()):
        if not path.exists() or path.read_text() != text:
            lines.append(f"{path.relative_to(PROJECT)} is out of date")
        elif bool(path.stat().st_mode & 0o100) != executable:
            lines.append(f"{path.relative_to(PROJECT)} has the wrong mode")
    return lines


def write() -> None:
    """Write every file, and remove those that are no longer rendered."""
    files = rendered()
    shutil.rmtree(RENDERED, ignore_errors=True)
    for path, (text, executable) in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if executable else 0o644)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    if lacking := missing():
        sys.exit(f"nothing was rendered: {lacking}")
    if "--check" in sys.argv[1:]:
        sys.exit("\n".join(stale()) or 0)
    write()
