# A program of a unit, and not part of a package.
# ruff: noqa: INP001, T201
"""Copies a MySQL database into a file: consistent, compressed, read back, and to S3 too if asked.

Copies that are older than they are to be kept are deleted from the folder; in S3 nothing is.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# What mysqldump writes at its end, and nowhere else.
COMPLETE = b"\n-- Dump completed"
HEAD_BYTES = 1000
TAIL_BYTES = 200
PIECE_BYTES = 2**20
SUFFIX = ".sql.zst"


class BackupError(Exception):
    """Why there is no copy."""


@contextmanager
def client_options(client: dict[str, Any]) -> Iterator[str]:
    """Write the options of MySQL's programs to a file that only this user can read.

    Args:
        client: the options, and in ``password_file`` the password's file, if there is one.

    Yields:
        The option that names the file.
    """
    with tempfile.NamedTemporaryFile("w", prefix="mysql-", suffix=".cnf") as file:
        file.write("[client]\n")
        for name, value in client.items():
            if name != "password_file":
                file.write(f"{name}={value}\n")
            elif value:
                password = Path(os.path.expandvars(value)).read_text().rstrip("\n")
                escaped = password.replace("\\", "\\\\").replace('"', '\\"')
                file.write(f'password="{escaped}"\n')
        file.flush()
        yield f"--defaults-extra-file={file.name}"


def has_tables(settings: dict[str, Any]) -> bool:
    """Tell whether there is anything to copy.

    Args:
        settings: of the database.

    Raises:
        BackupError: MySQL doesn't answer.
    """
    # Of the module's own settings.
    tables = f"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '{settings['database']}'"  # noqa: S608
    with client_options(settings["client"]) as options:
        asked = subprocess.run(  # noqa: S603
            [settings["mysql"], options, "--skip-column-names", "--execute", tables],
            check=False,
            stdout=subprocess.PIPE,
            text=True,
        )
    if asked.returncode:
        raise BackupError(f"MySQL doesn't say what there is of {settings['database']}")
    return int(asked.stdout) > 0


def dump(settings: dict[str, Any], target: Path) -> None:
    """Write a database to a file.

    Args:
        settings: of the database.
        target: the file.

    Raises:
        BackupError: mysqldump fails, or the disk is full.
    """
    with client_options(settings["client"]) as options:
        command = [
            settings["mysqldump"],
            options,
            "--single-transaction",
            "--quick",
            "--hex-blob",
            "--no-tablespaces",
            "--set-gtid-purged=OFF",
            settings["database"],
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603
            try:
                with zstd.open(target, "wb") as file:
                    shutil.copyfileobj(cast("IO[bytes]", process.stdout), file, PIECE_BYTES)
            except OSError as error:
                process.kill()
                raise BackupError(f"{target} can't be written: {error.strerror}") from error
    if process.returncode:
        raise BackupError(f"mysqldump of {settings['database']} ended with {process.returncode}")


def read_whole(copy: Path) -> tuple[bytes, int]:
    """Read a copy as it would be restored.

    Args:
        copy: the file.

    Returns:
        Its beginning, and the bytes of SQL in it.

    Raises:
        BackupError: it is broken, or lacks its end.
    """
    size, head, tail = 0, b"", b""
    try:
        with zstd.open(copy, "rb") as file:
            while piece := file.read(PIECE_BYTES):
                size += len(piece)
                head += piece[: HEAD_BYTES - len(head)]
                tail = (tail + piece)[-TAIL_BYTES:]
    except (OSError, EOFError, zstd.ZstdError) as error:
        raise BackupError(f"{copy} is no whole backup: {error}") from error
    if COMPLETE not in tail:
        raise BackupError(f"{copy} is no whole backup: mysqldump's last line is missing")
    return head, size


def copy_to_s3(copy: Path, s3: dict[str, Any]) -> str:
    """Copy a file to S3, which checks what arrives.

    Args:
        copy: the file.
        s3: where to.

    Returns:
        Its address.

    Raises:
        BackupError: S3 refuses it.
    """
    import boto3  # noqa: PLC0415 - it takes half a second
    from boto3.exceptions import Boto3Error  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    key = f"{s3['prefix']}/{copy.name}".lstrip("/")
    address = f"s3://{s3['bucket']}/{key}"
    try:
        client = boto3.client("s3", region_name=s3["region"], endpoint_url=s3["endpointUrl"])
        client.upload_file(str(copy), s3["bucket"], key)
    except (BotoCoreError, Boto3Error, ClientError) as error:
        raise BackupError(f"{copy} is kept, and its copy {address} is not made: {error}") from error
    return address


def back_up(settings: dict[str, Any]) -> Path | None:
    """Make a copy, and delete the old ones.

    Args:
        settings: of the database.

    Returns:
        The copy; None where the database has no tables.

    Raises:
        BackupError: there is none, or none in S3. Nothing half is left.
    """
    folder, database = Path(settings["directory"]), settings["database"]
    if not has_tables(settings):
        print(f"{database} has no tables: there is nothing to back up", flush=True)
        return None
    now = datetime.now(UTC)
    copy = folder / f"{database}-{now:%Y%m%dT%H%M%SZ}{SUFFIX}"
    partial = copy.with_name(f"{copy.name}.partial")
    try:
        dump(settings, partial)
        _, size = read_whole(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(copy)
    finally:
        # On a full disk, half a copy would be in the way of everything else.
        partial.unlink(missing_ok=True)
    print(f"{copy}: {copy.stat().st_size:,} bytes, {size:,} of SQL, read back", flush=True)
    oldest = (now - timedelta(days=settings["retention_days"])).timestamp()
    for old in folder.glob(f"{database}-*.sql.*"):
        if old.stat().st_mtime < oldest:
            old.unlink()
    if settings["s3"]:
        print(f"copied to {copy_to_s3(copy, settings['s3'])}", flush=True)
    return copy


if __name__ == "__main__":
    try:
        back_up(json.loads(Path(sys.argv[1]).read_text()))
    except BackupError as error:
        sys.exit(str(error))
