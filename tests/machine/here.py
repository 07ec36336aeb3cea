"""Whether this host can boot machines, and what it must install first."""

import os
import shutil
import subprocess
import sys

# What each program comes with, on Debian.
PROGRAMS = {
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
}
MOUNT = "mount -t cgroup2 cgroup2 /mnt && mount -t tmpfs tmpfs /run && mkdir /run/a /run/b /run/c"
OVERLAY = "mount -t overlay overlay -o lowerdir=/run/a,upperdir=/run/b,workdir=/run/c /run/a"


def why_not() -> str | None:
    """Return why no machine can be booted here, if so."""
    if sys.platform != "linux":
        return "a machine needs Linux"
    if os.geteuid() != 0:
        return "a machine needs root (mounts, cgroups and namespaces)"
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return "a machine is built with Debian's apt, which is not here"
    apart = ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", f"{MOUNT} && {OVERLAY}"]
    tried = subprocess.run(apart, check=False, capture_output=True, text=True)
    if tried.returncode != 0:
        return f"this host refuses mounts of a namespace's own: {tried.stderr.strip()}"
    return None


def install_missing() -> None:
    """Install the programs that are missing, and say so."""
    missing = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)})
    if missing:
        print(f"installing {', '.join(missing)}, for the machine tests", file=sys.stderr, flush=True)
        install = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
        if _quietly(install) != 0:
            _quietly(["apt-get", "update"])
            if _quietly(install) != 0:
                raise RuntimeError(f"{', '.join(missing)} can't be installed")


def _quietly(command: list[str]) -> int:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        command, check=False, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr
    ).returncode
