"""Runs a test script of tests/nixos, with the names that the NixOS test driver gives to scripts."""

import re
import sys
import time
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

from tests.machine.debian_layer import debian_layer
from tests.machine.host_files import PROJECT, write_host
from tests.machine.machine import Machine, RequestedAssertionFailed, retry
from tests.machine.python_layer import python_layer
from tests.machine.stage import Stage

SCRIPTS = PROJECT / "tests" / "nixos"
# What stands before each script.
PRELUDE = SCRIPTS / "support" / "prelude.py"
# What operators read, as scripts know it.
OPERATIONS = PROJECT / "modules" / "OPERATIONS.md"
# As the NixOS test driver numbers machines: by their name.
NETWORK = "192.168.1."


def _run(script: Path, symbols: dict[str, Any]) -> None:
    exec(compile(script.read_text(), str(script), "exec"), symbols)


def machine_hosts(name: str) -> dict[str, str]:
    """Return the machines of a script, and which host each is: the first file of hosts/ below its name."""
    nix = (SCRIPTS / f"{name}.nix").read_text()
    return dict(re.findall(r"^  (\w+)\b.*?\./hosts/(\w+)\.nix", nix, re.MULTILINE | re.DOTALL))


class _Assertions(unittest.TestCase):
    failureException = RequestedAssertionFailed


class Driver:
    """The machines of one script.

    Args:
        name: the script's name, without its suffix.
        address: an address at which this host reaches its only machine; the one before is the host's.
    """

    def __init__(self, name: str, address: str | None = None) -> None:
        self.name = name
        self._start = time.monotonic()
        layers = [debian_layer(), python_layer()]
        self.stage = Stage(reachable=address is not None)
        try:
            self.machines = self._machines(layers, address)
        except BaseException:
            self.stage.close()
            raise

    def _machines(self, layers: list[Path], address: str | None) -> list[Machine]:
        names = machine_hosts(self.name)
        nix = (SCRIPTS / f"{self.name}.nix").read_text()
        later = dict(re.findall(r"specialisation\.(\w+)\.configuration = \./hosts/(\w+)\.nix;", nix))
        gateway = str(ip_address(address) - 1) if address else None
        addresses = {name: address or f"{NETWORK}{number}" for number, name in enumerate(sorted(names), 1)}
        machines = []
        for name, host in names.items():
            folder = self.stage.make(name, addresses[name], gateway)
            write_host(folder / "host", layers, host, later, addresses)
            machines.append(Machine(name, self.stage, folder, layers, self.log))
        return machines

    def log(self, message: str) -> None:
        print(f"{time.monotonic() - self._start:7.1f} {message}", file=sys.stderr, flush=True)

    def start_all(self) -> None:
        for machine in self.machines:
            machine.start()

    def join_all(self) -> None:
        for machine in self.machines:
            machine.wait_for_shutdown()

    @contextmanager
    def subtest(self, name: str) -> Iterator[None]:
        self.log(f"subtest: {name}")
        start = time.monotonic()
        try:
            yield
        except Exception as error:
            self.log(f'Test "{name}" failed with error: "{error}"')
            raise
        self.log(f"(subtest {name}: {time.monotonic() - start:.1f} s)")

    def test_symbols(self) -> dict[str, Any]:
        symbols = {
            "driver": self,
            "join_all": self.join_all,
            "log": self,
            "machines": self.machines,
            "machines_nspawn": [],
            "machines_qemu": self.machines,
            "retry": retry,
            "start_all": self.start_all,
            "subtest": self.subtest,
            "t": _Assertions(),
        }
        symbols |= {re.sub(r"\W", "_", machine.name): machine for machine in self.machines}
        if len(self.machines) == 1:
            symbols["machine"] = self.machines[0]
        return symbols

    def info(self, message: str) -> None:
        self.log(message)

    def prelude(self) -> dict[str, Any]:
        """Return what every script has: the driver's own symbols, the operators' page, and the prelude."""
        symbols = self.test_symbols() | {"OPERATIONS": OPERATIONS.read_text()}
        _run(PRELUDE, symbols)
        return symbols

    def test_script(self) -> None:
        """Run the script."""
        _run(SCRIPTS / f"{self.name}.py", self.prelude())

    def close(self) -> None:
        self.stage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
