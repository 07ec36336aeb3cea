"""Owns everything of the machines of one test that the kernel knows: mounts, networks, cgroups, processes.

It is started in a mount namespace of its own (and a network namespace, unless the host is to reach the
machine), and takes orders as JSON, one a line. Its mounts and networks are in those namespaces, so they are
gone when it is. When its standard input ends, however its parent died, it kills its machines and removes
their cgroups, the only thing that the kernel would keep. When it is killed itself, its machines die with it,
and the next supervisor sweeps the cgroups.

It uses nothing but the standard library, and runs on its own as a script.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CGROUPS = Path("/sys/fs/cgroup")
# Below a tmpfs of this mount namespace.
MACHINES = Path("/run/machines")
BRIDGE = "machines"
LEADER = "systemd"
BOOT_SECONDS = 20
KILL_SECONDS = 20


class Machine:
    """One machine: its folder, its network, and its processes while it runs."""

    def __init__(self, name: str, *, address: str, gateway: str | None) -> None:
        self.name = name
        self.folder = MACHINES / name
        self.cgroup = own_cgroup() / name
        self.container: subprocess.Popen[bytes] | None = None
        for part in ("host", "upper", "work", "root"):
            (self.folder / part).mkdir(parents=True)
        self._connect(address, gateway)

    def _connect(self, address: str, gateway: str | None) -> None:
        """Give the machine a network: with its siblings, or (with a gateway) with the host."""
        # At most 15 characters, and each machine's own.
        outer = f"m{os.getpid()}-{len(list(MACHINES.iterdir()))}"
        run("ip", "netns", "add", self.name)
        link = ["ip", "link", "add", outer, "type", "veth", "peer", "name", "eth1", "netns", self.name]
        run(*link)
        if gateway:
            run("ip", "address", "add", f"{gateway}/30", "dev", outer)
        else:
            run("ip", "link", "set", outer, "master", BRIDGE)
        run("ip", "link", "set", outer, "up")
        inside = ["ip", "-n", self.name]
        run(*inside, "address", "add", f"{address}/{30 if gateway else 24}", "dev", "eth1")
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "link", "set", "eth1", "up")

    def boot(self, lowers: list[str], identity: str) -> int:
        """Start the machine, and return its first process.

        Args:
            lowers: the layers, the lowest first; the machine's own files come on top of them.
            identity: its machine-id.
        """
        root = self.folder / "root"
        if not os.path.ismount(root):
            layers = ":".join([str(self.folder / "host"), *reversed(lowers)])
            options = f"lowerdir={layers},upperdir={self.folder}/upper,workdir={self.folder}/work"
            run("mount", "-t", "overlay", "overlay", "-o", options, str(root))
        self._set_kernel()
        self.cgroup.mkdir(exist_ok=True)
        # The shell is in the cgroup before it becomes the container. The container dies with us, and as the
        # first process of a namespace it takes everything in it along.
        enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
        command = [
            *("sh", "-c", enter, str(self.cgroup), "setpriv", "--pdeathsig", "KILL", "--"),
            *("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--"),
            *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", "--console=pipe"),
            *("--directory", str(root), f"--machine={self.name}", f"--hostname={self.name}"),
            *(f"--uuid={identity}", f"--network-namespace-path=/run/netns/{self.name}"),
            *("--link-journal=no", "--resolv-conf=off", "--timezone=off"),
        ]
        with (self.folder / "console").open("ab") as console:
            self.container = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT
            )
        return self._leader(self.container)

    def _set_kernel(self) -> None:
        """Set what the host wants of the kernel for its network; the container can only read it."""
        write = (
            'while read -r name _ value; do echo "$value" > "/proc/sys/$(echo "$name" | tr . /)"; done < "$0"'
        )
        settings = self.folder / "host/etc/sysctl.d/60-nixos.conf"
        run("nsenter", f"--net=/run/netns/{self.name}", "sh", "-euc", write, str(settings))

    def _leader(self, container: subprocess.Popen[bytes]) -> int:
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline and container.poll() is None:
            for child in grandchildren(container.pid):
                with contextlib.suppress(OSError):
                    if Path(f"/proc/{child}/comm").read_text().strip() == LEADER:
                        return child
            time.sleep(0.05)
        said = (self.folder / "console").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"the machine {self.name} did not start: {said}")

    def gone(self) -> None:
        """Wait until the container has ended, and remove its cgroups."""
        if self.container is not None:
            self.container.wait(KILL_SECONDS)
            self.container = None
        remove_cgroup(self.cgroup)

    def kill(self) -> None:
        """End the machine as a power failure does."""
        if self.container is not None and self.container.poll() is None:
            for child in children(self.container.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            try:
                self.container.wait(KILL_SECONDS)
            except subprocess.TimeoutExpired:
                self.container.kill()
        self.gone()


def run(*command: str) -> None:
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def children(process: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def grandchildren(process: int) -> list[int]:
    return [found for child in children(process) for found in children(child)]


def runs(process: int) -> bool:
    """Return whether a process runs; one that is dead may wait for long until somebody notices."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "XZ"
    except OSError:
        return False


def own_cgroup() -> Path:
    return CGROUPS / f"airflow-machine-{os.getpid()}"


def remove_cgroup(cgroup: Path) -> None:
    for folder, _, _ in os.walk(cgroup, topdown=False):
        # A process that was just killed stays in it for a moment.
        for _ in range(50):
            try:
                Path(folder).rmdir()
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.1)
            else:
                break


def sweep() -> None:
    """Remove the cgroups of supervisors that were killed."""
    for cgroup in CGROUPS.glob("airflow-machine-*"):
        owner = re.fullmatch(r"airflow-machine-([0-9]+)", cgroup.name)
        if owner and not runs(int(owner[1])):
            remove_cgroup(cgroup)


def prepare(*, bridge: bool) -> None:
    # Another file system than cgroup2 there, or another view of it, is of no use to the machine's systemd.
    while CGROUPS.is_mount():
        run("umount", "--recursive", str(CGROUPS))
    run("mount", "-t", "cgroup2", "cgroup2", str(CGROUPS))
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    Path("/run/systemd").mkdir()
    sweep()
    own_cgroup().mkdir()
    if bridge:
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "link", "set", BRIDGE, "up")


def obey(order: dict[str, Any], machines: dict[str, Machine]) -> dict[str, Any]:
    name = order.get("machine", "")
    match order["do"]:
        case "make":
            machines[name] = Machine(name, address=order["address"], gateway=order["gateway"])
            return {"folder": str(machines[name].folder)}
        case "boot":
            return {"leader": machines[name].boot(order["lowers"], order["identity"])}
        case "kill":
            machines[name].kill()
        case "wait":
            machines[name].gone()
    return {}


def main() -> None:
    # Ctrl-C is for the parent, which tells this process to end by closing its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    machines: dict[str, Machine] = {}
    try:
        prepare(bridge="--bridge" in sys.argv[1:])
        print(json.dumps({"pid": os.getpid()}), flush=True)
        for line in sys.stdin:
            try:
                answer = obey(json.loads(line), machines)
            except Exception as error:  # noqa: BLE001 - the parent raises it where it was asked for
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), flush=True)
    finally:
        for machine in machines.values():
            with contextlib.suppress(Exception):
                machine.kill()
        remove_cgroup(own_cgroup())


if __name__ == "__main__":
    main()
