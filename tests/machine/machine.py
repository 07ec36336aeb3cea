"""A machine with the methods that the NixOS test driver's machines have, so that scripts run on both."""

import os
import re
import select
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from uuid import uuid4

from tests.machine.stage import Stage

TIMEOUT = 900
CONNECT_SECONDS = 60
SHUTDOWN_SECONDS = 180
JOURNAL_LINES = 40
PATH = "/run/current-system/sw/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
TIMED_OUT = 124
MESSAGE = 200
WORTH_SAYING = 1.0

Log = Callable[[str], None]


class MachineError(Exception):
    """The machine itself is not as it must be for what was asked."""


class RequestedAssertionFailed(AssertionError):  # noqa: N818 - the driver's own name
    """Something that a script demanded does not hold."""


def retry(check: Callable[[bool], bool], timeout_seconds: float = TIMEOUT) -> None:
    """Repeat a check, a second apart, until it holds.

    Args:
        check: is told whether it is the last try.
        timeout_seconds: how long.

    Raises:
        RequestedAssertionFailed: it didn't hold in time.
    """
    start = time.monotonic()
    while time.monotonic() - start < timeout_seconds:
        if check(False):  # noqa: FBT003 - the driver's own signature
            return
        time.sleep(1)
    if not check(True):  # noqa: FBT003
        elapsed = time.monotonic() - start
        raise RequestedAssertionFailed(f"timed out after {elapsed:.1f} s (timeout={timeout_seconds})")


class Machine:
    """One machine.

    Args:
        name: its host name.
        stage: where it runs.
        folder: where the stage keeps its files.
        lowers: the layers of its file system, the lowest first.
        log: is told what happens.
    """

    def __init__(self, name: str, stage: Stage, folder: Path, lowers: list[Path], log: Log) -> None:
        self.name = name
        self.folder = folder
        self._stage = stage
        self._lowers = lowers
        self._log = log
        self._identity = uuid4().hex
        self.leader: int | None = None
        self._handle = -1
        self._connected = False

    def __repr__(self) -> str:
        return f"<Machine {self.name!r}>"

    def log(self, msg: str) -> None:
        self._log(f"{self.name}: {msg}")

    @contextmanager
    def nested(self, msg: str) -> Iterator[None]:
        short = f"{msg[:MESSAGE]} …" if len(msg) > MESSAGE else msg
        self.log(short)
        start = time.monotonic()
        try:
            yield
        except RequestedAssertionFailed as error:
            raise RequestedAssertionFailed(f"{self.name}: {short}: {error}") from None
        finally:
            if (took := time.monotonic() - start) > WORTH_SAYING:
                self.log(f"({took:.1f} s)")

    # Life and death

    @property
    def booted(self) -> bool:
        return self.leader is not None and not select.select([self._handle], [], [], 0)[0]

    def is_up(self) -> bool:
        return self.booted and self._connected

    def start(self) -> None:
        """Start the machine; don't wait until it is up."""
        if self.booted:
            return
        if self.leader is not None:
            self._ended()
        self.log("starting")
        self.leader = self._stage.boot(self.name, self._lowers, self._identity)
        self._handle = os.pidfd_open(self.leader)

    def connect(self) -> None:
        """Wait until the machine takes commands; start it if it is off."""
        if self.is_up():
            return
        self.start()
        deadline = time.monotonic() + CONNECT_SECONDS
        # Until then systemctl has nobody to talk to.
        while self._run("systemctl show --property Version 2>&1", timeout=10)[0] != 0:
            if not self.booted or time.monotonic() > deadline:
                raise MachineError(
                    f"{self.name} did not boot; its console:\n{self.get_console_log()[-3000:]}"
                )
            time.sleep(0.1)
        self._connected = True

    def shutdown(self) -> None:
        """Shut down in order, and wait for the end."""
        if not self.booted:
            return
        self.connect()
        self.execute("systemctl --no-block start poweroff.target")
        self.wait_for_shutdown()

    def wait_for_shutdown(self) -> None:
        """Wait for the machine to end, however it was told to."""
        if self.leader is None:
            return
        with self.nested("waiting for the machine to power off"):
            if not select.select([self._handle], [], [], SHUTDOWN_SECONDS)[0]:
                _, jobs = self.execute("systemctl list-jobs --no-pager", timeout=10)
                raise RequestedAssertionFailed(f"still running after {SHUTDOWN_SECONDS} s; its jobs:\n{jobs}")
            self._ended()

    def crash(self) -> None:
        """Cut the power."""
        if self.leader is not None:
            self.log("power failure")
            self._stage.kill(self.name)
            self._ended()

    def reboot(self) -> None:
        """Shut down and start again; the next command waits until it is up."""
        self.shutdown()
        self.start()

    def _ended(self) -> None:
        self._stage.wait(self.name)
        os.close(self._handle)
        self.leader = None
        self._connected = False

    # Commands

    def execute(
        self,
        command: str,
        check_return: bool = True,  # noqa: FBT001, FBT002 - the driver's own signature
        check_output: bool = True,  # noqa: FBT001, FBT002
        timeout: int | None = TIMEOUT,
    ) -> tuple[int, str]:
        """Run a shell command as root.

        Args:
            command: runs with ``set -euo pipefail``.
            check_return: without it, the status is -1.
            check_output: without it, the status is -2 and nobody waits.
            timeout: seconds until it is killed, with status 124.

        Returns:
            its status and its standard output.
        """
        self.connect()
        if not check_output:
            command = f"( {command}\n) > /dev/null 2>&1 < /dev/null &"
        status, output = self._run(command, timeout)
        if not check_output:
            return -2, ""
        return (status if check_return else -1), output

    def _run(self, command: str, timeout: float | None) -> tuple[int, str]:
        enter = f"nsenter --target {self.leader} --mount --uts --ipc --net --pid --cgroup --".split()
        environment = f"env --ignore-environment PATH={PATH} HOME=/root LANG=C.UTF-8 USER=root".split()
        limit = ["timeout", str(timeout)] if timeout is not None else []
        shell = ["bash", "-c", f"set -euo pipefail; {command}"]
        # A file, not a pipe: a process that the command leaves behind may keep it open.
        with TemporaryFile() as errors:
            done = subprocess.run(
                [*enter, *environment, *limit, *shell],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
            errors.seek(0)
            for line in errors.read().decode(errors="replace").splitlines():
                self.log(f"stderr: {line}")
        return done.returncode, done.stdout.decode(errors="replace")

    def succeed(self, *commands: str, timeout: int | None = None) -> str:
        output = ""
        for command in commands:
            with self.nested(f"must succeed: {command}"):
                status, out = self.execute(command, timeout=timeout)
                if status != 0:
                    raise RequestedAssertionFailed(_failed(status, out, timeout))
                output += out
        return output

    def fail(self, *commands: str, timeout: int | None = None) -> str:
        output = ""
        for command in commands:
            with self.nested(f"must fail: {command}"):
                status, out = self.execute(command, timeout=timeout)
                if status == 0:
                    raise RequestedAssertionFailed(f"it succeeded; output:\n{out}")
                output += out
        return output

    def wait_until_succeeds(self, command: str, timeout: int = TIMEOUT) -> str:
        return self._wait(command, timeout, "success", lambda status: status == 0)

    def wait_until_fails(self, command: str, timeout: int = TIMEOUT) -> str:
        return self._wait(command, timeout, "failure", lambda status: status != 0)

    def _wait(self, command: str, timeout: int, what: str, enough: Callable[[int], bool]) -> str:
        status, output = 0, ""

        def check(_last: bool) -> bool:  # noqa: FBT001
            nonlocal status, output
            status, output = self.execute(command, timeout=timeout)
            return enough(status)

        with self.nested(f"waiting for {what}: {command}"):
            try:
                retry(check, timeout)
            except RequestedAssertionFailed as error:
                raise RequestedAssertionFailed(f"{error}; {_failed(status, output, timeout)}") from None
        return output

    def sleep(self, secs: int) -> None:
        self.succeed(f"sleep {secs}")

    # systemd

    def systemctl(self, q: str, user: str | None = None) -> tuple[int, str]:
        if user is not None:
            q = f"--user {q}"
            inner = f"XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl {q}"
            return self.execute(f"su -l {user} --shell /bin/sh -c {shlex.quote(inner)}")
        return self.execute(f"systemctl {q}")

    def start_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        return self.systemctl(f"start {jobname}", user)

    def stop_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        return self.systemctl(f"stop {jobname}", user)

    def get_unit_info(self, unit: str, user: str | None = None) -> dict[str, str]:
        status, lines = self.systemctl(f"--no-pager show {shlex.quote(unit)}", user)
        if status != 0:
            raise RequestedAssertionFailed(f"systemctl show {unit} failed with {status}")
        return dict(line.split("=", 1) for line in lines.splitlines() if "=" in line)

    def get_unit_property(self, unit: str, property: str, user: str | None = None) -> str:  # noqa: A002
        command = f"--no-pager show {shlex.quote(unit)} --property={shlex.quote(property)}"
        status, line = self.systemctl(command, user)
        name, separator, value = line.rstrip("\n").partition("=")
        if status != 0 or name != property or not separator:
            raise RequestedAssertionFailed(f"systemctl {command} failed with {status} and said {line!r}")
        return value

    def require_unit_state(self, unit: str, require_state: str = "active") -> None:
        with self.nested(f"checking that {unit} is {require_state}"):
            state = self.get_unit_property(unit, "ActiveState")
            if state != require_state:
                raise RequestedAssertionFailed(f"it is {state}\n{self._journal_tail(unit)}")

    def wait_for_unit(self, unit: str, user: str | None = None, timeout: int = TIMEOUT) -> None:
        """Wait until a unit is active; fail at once when it can't become so."""

        def active(_last: bool) -> bool:  # noqa: FBT001
            state = self.get_unit_property(unit, "ActiveState", user)
            if state == "failed":
                raise RequestedAssertionFailed("it failed")
            if state == "inactive":
                _, jobs = self.systemctl("list-jobs --full 2>&1", user)
                # It may have come up between the two questions.
                still = "No jobs" in jobs and self.get_unit_property(unit, "ActiveState", user)
                if still == "inactive":
                    raise RequestedAssertionFailed("it is inactive and nothing is about to start it")
            return state == "active"

        with self.nested(f"waiting for unit {unit}"):
            try:
                retry(active, timeout)
            except RequestedAssertionFailed as error:
                raise RequestedAssertionFailed(f"{error}\n{self._journal_tail(unit)}") from None

    def _journal_tail(self, unit: str) -> str:
        quoted = shlex.quote(unit)
        shown = f"systemctl --no-pager --lines=0 --full status {quoted} || true; "
        shown += f"journalctl --no-pager --lines={JOURNAL_LINES} --unit {quoted} 2>&1"
        return self.execute(shown, timeout=30)[1]

    # Files and ports

    def wait_for_file(self, filename: str, timeout: int = TIMEOUT) -> None:
        self._wait(f"test -e {filename}", timeout, f"the file {filename}", lambda status: status == 0)

    def wait_for_open_port(self, port: int, addr: str = "localhost", timeout: int = TIMEOUT) -> None:
        self._wait(_listens(port, addr), timeout, f"the open port {port}", lambda status: status == 0)

    def wait_for_closed_port(self, port: int, addr: str = "localhost", timeout: int = TIMEOUT) -> None:
        self._wait(_listens(port, addr), timeout, f"the closed port {port}", lambda status: status != 0)

    def wait_for_open_unix_socket(
        self,
        addr: str,
        is_datagram: bool = False,  # noqa: FBT001, FBT002
        timeout: int = TIMEOUT,
    ) -> None:
        kind = "-uU" if is_datagram else "-U"
        self._wait(f"nc -z {kind} {addr}", timeout, f"the socket {addr}", lambda status: status == 0)

    def wait_for_console_text(self, regex: str, timeout: int = TIMEOUT) -> None:
        with self.nested(f"waiting for {regex} on the console"):
            retry(lambda _last: re.search(regex, self.get_console_log()) is not None, timeout)

    def get_console_log(self) -> str:
        return (self.folder / "console").read_text(errors="replace")

    def copy_from_host(self, source: str, target: str) -> None:
        """Copy a file or folder into the machine; it belongs to root there and keeps its mode."""
        self.connect()
        name = Path(source).name
        packed = subprocess.run(
            ["tar", "--create", "--owner=0", "--group=0", "--directory", str(Path(source).parent), name],
            check=True,
            capture_output=True,
        )
        folder = str(Path(target).parent)
        self.succeed(f"mkdir -p {shlex.quote(folder)}")
        enter = f"nsenter --target {self.leader} --mount --pid --".split()
        rename = f"--transform=s,^{re.escape(name)},{Path(target).name},"
        subprocess.run(
            [*enter, "tar", "--extract", "--directory", folder, rename], check=True, input=packed.stdout
        )

    def copy_from_machine(self, source: str, target_dir: str = "") -> None:
        """Copy a file or folder out of the machine, into a folder below the current one."""
        self.connect()
        target = Path(target_dir or ".")
        target.mkdir(parents=True, exist_ok=True)
        found = Path(f"/proc/{self.leader}/root{source}")
        if found.is_dir():
            shutil.copytree(found, target / found.name, symlinks=True)
        else:
            shutil.copy(found, target)

    def shell_command(self) -> str:
        """Return the command that gives a shell in the machine."""
        environment = f"env --ignore-environment TERM=$TERM HOME=/root PATH={PATH}"
        return f"nsenter --target {self.leader} --all {environment} bash"


def _listens(port: int, addr: str) -> str:
    return f"nc -z {addr} {port} 2> /dev/null"


def _failed(status: int, output: str, timeout: int | None) -> str:
    reason = f"no end within {timeout} s" if status == TIMED_OUT else f"exit code {status}"
    return f"{reason}; output:\n{output[-5000:]}"
