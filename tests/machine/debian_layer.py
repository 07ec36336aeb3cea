"""The first layer: a Debian with systemd, MySQL, Redis, nginx and Python.

Debian's unstable suite is the only one that has MySQL itself; Airflow doesn't run on MariaDB.
"""

import shutil
import subprocess
from pathlib import Path

from tests.machine.layers import LayerError, cache, layer, run_caged

HERE = Path(__file__).parent
SUITE = "sid"
# Nobody reads these on a machine that lives for a minute.
EXCLUDED = ("doc", "doc-base", "info", "lintian", "locale", "man")
# What the host's own settings, or a busy port on it, leave in a new system.
CLEAN = (
    'cd "$1/etc" && rm -f hostname hosts resolv.conf mysql/mysql.conf.d/99-port-backoff.cnf',
    ': > "$1/etc/machine-id"',
)


def packages() -> list[str]:
    return (HERE / "debian-packages.txt").read_text().split()


def debian_layer() -> Path:
    return layer("debian", [SUITE, *packages(), *EXCLUDED, *CLEAN], _bootstrap)


def _bootstrap(folder: Path) -> None:
    try:
        _bootstrap_once(folder)
    except LayerError:
        # MySQL's package gives up on a host that has other work to do.
        shutil.rmtree(folder, ignore_errors=True)
        _bootstrap_once(folder)


def _bootstrap_once(folder: Path) -> None:
    run_caged(
        [
            "mmdebstrap",
            "--mode=root",
            "--variant=minbase",
            '--aptopt=Acquire::Check-Valid-Until "false"',
            *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in EXCLUDED),
            f"--include={','.join(packages())}",
            *(f"--customize-hook={command}" for command in CLEAN),
            SUITE,
            folder,
            mirror(),
        ],
        cache() / "debian.log",
    )


def mirror() -> str:
    """Return the address from which this host has its own Debian packages."""
    form = "$(ORIGIN) $(LABEL) $(REPO_URI)"
    found = subprocess.run(
        ["apt-get", "indextargets", "--format", form, "Created-By: Packages"],
        check=True,
        capture_output=True,
        text=True,
    )
    for line in found.stdout.splitlines():
        origin, _, rest = line.partition(" ")
        label, _, address = rest.partition(" ")
        if origin == label == "Debian":
            return address
    raise LayerError("apt on this host has no Debian mirror to take packages from (or: run apt-get update)")
