"""The second layer: Airflow and everything else of the lock, in the virtual environment /opt/airflow."""

import os
import shutil
import ssl
import sys
from pathlib import Path

from tests.machine.debian_layer import debian_layer
from tests.machine.layers import LayerError, cache, layer, run_caged

HERE = Path(__file__).parent
LOCK = HERE.parent.parent / "requirements.lock"
# Everything that is mounted goes with the cage.
INSTALL = r"""
set -eu
lower=$1 upper=$2 work=$3 uv=$4 cache=$5 certificates=$6 lock=$7
root=/mnt
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mkdir "$root/run/cache"
mount --bind "$cache" "$root/run/cache"
cp "$uv" "$root/run/uv"
cp "$certificates" "$root/run/certificates.crt"
cp "$lock" "$root/run/requirements.lock"
for name in resolv.conf hosts; do
  [ -e "$root/etc/$name" ] || { : > "$root/etc/$name"; made=${made:-}' '$root/etc/$name; }
  mount --bind "/etc/$name" "$root/etc/$name"
done
chroot "$root" /bin/sh -euc '
  export HOME=/run SSL_CERT_FILE=/run/certificates.crt UV_CACHE_DIR=/run/cache UV_LINK_MODE=copy
  unset SSL_CERT_DIR
  python3 -m venv --without-pip /opt/airflow
  /run/uv pip sync --quiet --compile-bytecode --require-hashes --python /opt/airflow/bin/python \
    /run/requirements.lock
'
umount "$root/etc/resolv.conf" "$root/etc/hosts"
rm -f ${made:-}
"""


def python_layer() -> Path:
    """Return the layer; its inputs are those of the Debian below it, too."""
    below = debian_layer()
    return layer("python", [below.name, INSTALL, LOCK.read_bytes()], _install)


def _install(folder: Path) -> None:
    folder.mkdir()
    work = folder.with_name(f"{folder.name}.work")
    work.mkdir()
    installer_cache = Path(os.environ.get("UV_CACHE_DIR") or Path.home() / ".cache" / "uv")
    installer_cache.mkdir(parents=True, exist_ok=True)
    run_caged(
        [
            *("sh", "-c", INSTALL, "sh", debian_layer(), folder, work),
            *(_installer(), installer_cache, _certificates(), LOCK),
        ],
        cache() / "python.log",
    )
    shutil.rmtree(work)


def _installer() -> str:
    """Return the uv of the project's lock, or another one of this host."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise LayerError("there is no uv beside this Python; run: make setup")
    return found


def _certificates() -> str:
    """Return the authorities that this host trusts, for its package index may be its own."""
    found = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    if not Path(found).exists():
        raise LayerError("this host has no certificates of authorities; run: apt-get install ca-certificates")
    return found
