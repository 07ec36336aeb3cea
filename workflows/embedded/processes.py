"""The processes of a run: started together, watched, and never left behind."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from embedded import leash
from embedded.errors import EmbeddedError

STOP_SECONDS = 10.0
TAIL_LINES = 15


class Processes:
    """Child processes on leashes, each with a log of its own."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        """Start nothing yet.

        Args:
            logs: an existing folder; each process writes ``NAME.log`` there.
            environment: what the processes see, in full.
        """
        self._logs = logs
        self._environment = dict(environment)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a process that is to stay.

        Args:
            name: what messages call it.
            command: the program and its arguments.
        """
        with (self._logs / f"{name}.log").open("wb") as log:
            # A session of its own: a Ctrl-C is ours to answer.
            self._running[name] = subprocess.Popen(  # noqa: S603 - commands of this package only
                [sys.executable, "-I", str(Path(leash.__file__)), *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    def finish(self, name: str) -> None:
        """Wait for a process that is to end by itself.

        Args:
            name: the one that was started under this name.

        Raises:
            EmbeddedError: it failed; the message holds the end of its log.
        """
        code = self._running[name].wait()
        del self._running[name]
        if code:
            raise EmbeddedError(f"{name} failed (exit code {code}); the end of its log:\n{self._tail(name)}")

    def check(self) -> None:
        """Look after the processes that are to stay.

        Raises:
            EmbeddedError: one of them ended; the message holds the end of its log.
        """
        for name, process in self._running.items():
            code = process.poll()
            if code is not None:
                raise EmbeddedError(
                    f"{name} ended unexpectedly (exit code {code}); the end of its log:\n{self._tail(name)}"
                )

    def stop(self) -> None:
        """End them all at once, with all that they started."""
        processes = list(self._running.values())
        for process in processes:
            if process.stdin:
                process.stdin.close()
        for process in processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def _tail(self, name: str) -> str:
        lines = (self._logs / f"{name}.log").read_text(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-TAIL_LINES:])
