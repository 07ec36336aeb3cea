"""Where machines run: talks to the supervisor, which owns all that the kernel knows of them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

SUPERVISOR = Path(__file__).with_name("supervisor.py")


class StageError(Exception):
    """The supervisor refused, or is gone."""


class Stage:
    """A supervisor of its own.

    Args:
        reachable: put the machine's network where this host can reach it, instead of apart from it.
    """

    def __init__(self, *, reachable: bool = False) -> None:
        apart = [] if reachable else ["--net"]
        unshare = ["unshare", "--mount", "--propagation", "private", *apart, "--"]
        self._reachable = reachable
        self._process = subprocess.Popen(
            [*unshare, sys.executable, "-I", str(SUPERVISOR), *([] if reachable else ["--bridge"])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # A Ctrl-C in the terminal is for the test, which ends the machines in order.
            start_new_session=True,
        )
        self.pid = int(self._answer()["pid"])

    def make(self, name: str, address: str, gateway: str | None) -> Path:
        """Make a machine's folder and network; return where this process finds the folder."""
        made = self._order("make", machine=name, address=address, gateway=gateway)
        return Path(f"/proc/{self.pid}/root{made['folder']}")

    def boot(self, name: str, lowers: list[Path], identity: str) -> int:
        """Start a machine; return its first process."""
        booted = self._order("boot", machine=name, lowers=[str(layer) for layer in lowers], identity=identity)
        return int(booted["leader"])

    def kill(self, name: str) -> None:
        """End a machine as a power failure does."""
        self._order("kill", machine=name)

    def wait(self, name: str) -> None:
        """Wait for a machine that is going down."""
        self._order("wait", machine=name)

    def close(self) -> None:
        """End every machine, and remove what is left of them."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _order(self, what: str, **details: Any) -> dict[str, Any]:
        if self._process.stdin is None or self._process.poll() is not None:
            raise StageError("the supervisor of the machines is gone")
        self._process.stdin.write(json.dumps({"do": what, **details}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise StageError(f"the supervisor of the machines ended ({self._process.wait()})")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise StageError(answer["error"])
        return answer
