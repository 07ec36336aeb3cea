"""Boots a machine by hand: `make machine MACHINE=NAME` that of tests/nixos/NAME.nix."""

import os
import signal
import sys

from tests.machine import here
from tests.machine.driver import SCRIPTS, Driver
from tests.machine.layers import LayerError
from tests.machine.machine import Machine, MachineError, RequestedAssertionFailed
from tests.machine.stage import StageError

# The tests of the pipeline on one host.
NAMES = sorted(file.stem for file in SCRIPTS.glob("*.nix") if "hosts/pipeline.nix" in file.read_text())
# The network for measuring between devices: nobody routes it. Four addresses for each run.
RUNS = 64 * 256
DAYS = 3
LOGIN = """
Airflow       http://{address}/  (user admin, password {password})
a shell       {shell}
in the shell  systemctl status 'airflow*' · journalctl --follow --unit airflow-worker · mysql warehouse
to stop it    Ctrl-C
"""


def main() -> int:
    if reason := here.why_not():
        print(f"no machine can be booted: {reason}", file=sys.stderr)
        return 1
    name = sys.argv[1]
    if name not in NAMES:
        print(f"{name} is no test with one machine; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    # Like Ctrl-C: the machine ends with this program, in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        here.install_missing()
        run = os.getpid() % RUNS
        address = f"198.18.{run // 64}.{run % 64 * 4 + 2}"
        with Driver(name, address) as driver:
            _show(driver.machines[0], address)
            signal.pause()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    except (LayerError, MachineError, RequestedAssertionFailed, StageError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _show(machine: Machine, address: str) -> None:
    """Wait until the page is there, have the pipeline load some days, and say how to get in."""
    # The host's own name for itself is of no use in a browser that is elsewhere.
    drop_in = "/run/systemd/system/airflow-webserver.service.d"
    setting = f"[Service]\\nEnvironment=AIRFLOW__API__BASE_URL=http://{address}\\n"
    machine.succeed(
        f"mkdir -p {drop_in}",
        f"printf '{setting}' > {drop_in}/address.conf",
        "systemctl daemon-reload",
        "systemctl try-restart airflow-webserver",
    )
    machine.wait_for_unit("airflow.target", timeout=180)
    machine.wait_until_succeeds("curl --silent --fail http://127.0.0.1:8080/api/v2/version", timeout=60)
    machine.succeed(f"etl sample-data --days {DAYS + 1} --start 2016-02-21 --s3")
    machine.log(f"daily_etls loads {DAYS} days of sample data now")
    password = machine.succeed("cat /etc/credentials/admin-password").strip()
    print(LOGIN.format(address=address, password=password, shell=machine.shell_command()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
