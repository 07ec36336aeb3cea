"""A machine's own files, on top of the layers: the rendered units and what they find on a NixOS host.

NixOS brings MySQL, Redis and nginx as modules of its own; ``services.py`` makes Debian's equivalents of them.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.machine import services
from tests.machine.files import link, write

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
RENDERED = HERE / "rendered"
MAKE_CREDENTIALS = PROJECT / "tests" / "nixos" / "support" / "credentials.sh"

# What a package of nixpkgs is on this machine, by the name at the end of its store path.
PACKAGES = {
    "bash": "/usr",
    "coreutils": "/usr",
    "curl": "/usr",
    "dags": "/opt/dags",
    "findutils": "/usr",
    "git": "/usr",
    "glibcLocales": "/usr",
    "gnugrep": "/usr",
    "gnused": "/usr",
    "jq": "/usr",
    "mysql": "/usr",
    "openssh": "/usr",
    "plugins": "/opt/plugins",
    "python3": "/opt/airflow",
    "systemd": "/usr",
    "tzdata": "/usr",
    "util-linux": "/usr",
    "zstd": "/usr",
}
# Where every system lies, one folder each; "active" names one of them.
SYSTEMS = Path("opt/systems")
# Nobody sits before a machine, and its network is there before it is.
MASKED = ("console-getty.service", "getty.target", "systemd-logind-varlink.socket", "systemd-logind.service")
# Debian has these in sbin, NixOS has them where everybody looks.
FROM_SBIN = ("runuser",)
FIRST_ID = 900


def write_host(
    root: Path, layers: Sequence[Path], host: str, later: Mapping[str, str], addresses: Mapping[str, str]
) -> None:
    """Write the files of a host.

    Args:
        root: the empty folder that becomes the topmost layer.
        layers: what is below it, the lowest first.
        host: the rendered host.
        later: the rendered hosts that it can be switched to, by the name of their specialisation.
        addresses: the machines of the test.
    """
    _store(root)
    for name in (host, *later.values()):
        _system(root, name)
    for specialisation, name in later.items():
        link(root / SYSTEMS / host / "specialisation" / specialisation, f"/{SYSTEMS}/{name}")
    link(root / SYSTEMS / "active", host)
    link(root / "etc/systemd/system", f"/{SYSTEMS}/active/units")
    settings = _settings(host)
    _etc(root, layers[0], settings, addresses)
    services.write_configuration(root, settings)
    shutil.copy(HERE / "statsd_exporter.py", root / "opt")
    shutil.copy(PROJECT / "tests/nixos/support/oidc_server.py", root / "opt")
    _project(root, layers[-1])


def _settings(host: str) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((RENDERED / host / "host.json").read_text())
    return settings


def _store(root: Path) -> None:
    """Make the store: the files that the modules write, and links to Debian's programs."""
    shutil.copytree(RENDERED / "store", root / "nix/store")
    for path in json.loads((RENDERED / "packages.json").read_text()):
        package = re.fullmatch(r"/nix/store/[0-9a-z]{32}-(.+?)(-[0-9].*)?", path)
        if package is None or package[1] not in PACKAGES:
            raise LookupError(f"{path}: tests/machine/host_files.py doesn't say what this is on Debian")
        link(root / path[1:], PACKAGES[package[1]])
    for program in FROM_SBIN:
        link(root / "usr/bin" / program, f"../sbin/{program}")


def _system(root: Path, host: str) -> None:
    """Make what NixOS calls a system: its units, its commands, and the program that switches to it."""
    system = root / SYSTEMS / host
    units = system / "units"
    shutil.copytree(RENDERED / host / "units", units)
    settings = _settings(host)
    services.write_units(root, units, settings)
    for unit in [unit for unit in units.iterdir() if unit.is_file()]:
        _enable(units, unit)
    for name in MASKED:
        link(units / name, "/dev/null")
    link(units / "default.target", "/usr/lib/systemd/system/multi-user.target")
    for package in settings["systemPackages"]:
        for program in (root / package[1:] / "bin").iterdir():
            link(system / "sw/bin" / program.name, f"{package}/bin/{program.name}")
    (system / "bin").mkdir()
    shutil.copy(HERE / "switch_to_configuration.py", system / "bin/switch-to-configuration")
    (system / "bin/switch-to-configuration").chmod(0o755)


def _enable(units: Path, unit: Path) -> None:
    """Make the links that [Install] asks for, as NixOS does when it builds a system."""
    for key, value in re.findall(r"^(Alias|WantedBy|RequiredBy)=(.*)$", unit.read_text(), re.MULTILINE):
        for name in value.split():
            if key == "Alias":
                link(units / name, unit.name)
            else:
                kind = "wants" if key == "WantedBy" else "requires"
                link(units / f"{name}.{kind}" / unit.name, f"../{unit.name}")


def _etc(root: Path, below: Path, settings: Mapping[str, Any], addresses: Mapping[str, str]) -> None:
    etc = root / "etc"
    _users(etc, below / "etc", settings)
    hosts = [f"{address} {name}" for name, address in addresses.items()]
    (etc / "hosts").write_text("\n".join(["127.0.0.1 localhost", "::1 localhost", *hosts, ""]))
    for path, source in settings["etc"].items():
        link(etc / path, source)
    subprocess.run(["bash", MAKE_CREDENTIALS, etc / "credentials"], check=True)
    lines = [f"L+ /run/current-system - - - - /{SYSTEMS}/active"]
    for path, kinds in settings["tmpfiles"].items():
        lines += [
            f"{kind} {path} {rule['mode']} {rule['user']} {rule['group']} {rule['age']} {rule['argument']}"
            for kind, rule in kinds.items()
        ]
    write(etc / "tmpfiles.d/host.conf", "\n".join([*lines, ""]))
    sysctl = "".join(f"{name} = {value}\n" for name, value in settings["sysctl"].items())
    write(etc / "sysctl.d/60-nixos.conf", sysctl)
    # So that the journal outlives a boot.
    (root / "var/log/journal").mkdir(parents=True)


def _users(etc: Path, below: Path, settings: Mapping[str, Any]) -> None:
    """Add the host's users and groups to Debian's."""
    ids = {name: FIRST_ID + number for number, name in enumerate(settings["groups"])}
    users = settings["users"]
    passwd = [
        f"{name}:*:{ids[user['group']]}:{ids[user['group']]}::{user['home']}:/usr/sbin/nologin"
        for name, user in users.items()
    ]
    group = [
        f"{name}:*:{number}:{','.join(user for user in users if name in users[user]['extraGroups'])}"
        for name, number in ids.items()
    ]
    for name, lines in (("passwd", passwd), ("group", group)):
        write(etc / name, (below / name).read_text() + "\n".join([*lines, ""]))


def _project(root: Path, python_layer: Path) -> None:
    """Install the pipeline from this checkout: its package, its DAGs and its page."""
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "workflows/etl", root / "opt/etl/etl", ignore=skip)
    shutil.copytree(PROJECT / "workflows/dags", root / "opt/dags", ignore=skip)
    shutil.copytree(PROJECT / "workflows/plugins", root / "opt/plugins", ignore=skip)
    (packages,) = python_layer.glob("opt/airflow/lib/python3.*/site-packages")
    write(root / packages.relative_to(python_layer) / "etl.pth", "/opt/etl\n")
    script = "#!/opt/airflow/bin/python\nimport sys\n\nfrom etl.cli import main\n\nsys.exit(main())\n"
    write(root / "opt/airflow/bin/etl", script)
    (root / "opt/airflow/bin/etl").chmod(0o755)
