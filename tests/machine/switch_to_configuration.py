#!/usr/bin/python3
"""Does on the machine what NixOS's program of this name does: makes another system the current one.

Units that have changed are stopped before the new files are in place and started afterwards (unless they say
X-StopIfChanged=false: restarted then; or X-RestartIfChanged=false: left alone), units that are gone are
stopped, and the targets that are active get what is newly wanted by them.
"""

import configparser
import subprocess
import sys
from pathlib import Path

SYSTEMS = Path("/opt/systems")
ACTIVE = SYSTEMS / "active"


def texts(system: Path) -> dict[str, str]:
    """Return each unit's own text, with its drop-ins."""
    found: dict[str, str] = {}
    for path in sorted((system / "units").rglob("*")):
        folder = path.parent.name
        if path.is_symlink() or not path.is_file():
            continue
        unit = folder.removesuffix(".d") if folder.endswith(".d") else path.name
        found[unit] = found.get(unit, "") + path.read_text()
    return found


def says(text: str, key: str, default: str) -> bool:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.read_string(text)
    return any(parser.get(section, key, fallback=default) == "true" for section in ("Unit", "Service"))


def systemctl(*words: str) -> int:
    return subprocess.run(["systemctl", *words], check=False).returncode


def active(unit: str) -> bool:
    return systemctl("is-active", "--quiet", unit) == 0


def main() -> int:
    if sys.argv[1:] not in (["switch"], ["test"]):
        sys.exit(f"usage: {sys.argv[0]} switch|test")
    new = Path(__file__).resolve().parent.parent
    old = ACTIVE.resolve()
    before, after = texts(old), texts(new)
    running = [unit for unit in before if unit.endswith((".service", ".timer")) and active(unit)]
    changed = [unit for unit in running if before[unit] != after.get(unit)]
    changed = [unit for unit in changed if says(after.get(unit, ""), "X-RestartIfChanged", "true")]
    restart = [unit for unit in changed if unit in after and not says(after[unit], "X-StopIfChanged", "true")]
    stop = [unit for unit in changed if unit not in restart]
    if stop:
        print("stopping the following units:", ", ".join(stop))
        systemctl("stop", *stop)

    partial = SYSTEMS / "active.new"
    partial.unlink(missing_ok=True)
    partial.symlink_to(new.name)
    partial.replace(ACTIVE)
    systemctl("daemon-reload")

    failed = 0
    if restart:
        print("restarting the following units:", ", ".join(restart))
        failed |= systemctl("restart", *restart)
    start = [unit for unit in stop if unit in after]
    start += [unit for unit in after if unit.endswith(".target") and active(unit)]
    if start:
        print("starting the following units:", ", ".join(start))
        failed |= systemctl("start", *start)
    return 4 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
