# A program of a command, and not part of a package.
# ruff: noqa: INP001, T201
"""Puts back what backups hold: everything is checked first, and Airflow is stopped meanwhile."""

import argparse
import json
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from backup import PIECE_BYTES, BackupError, back_up, client_options, read_whole

# As mysqldump begins.
HEAD = re.compile(rb"-- MySQL dump .*\n(?:--.*\n)*-- Host: .*Database: (?P<database>\S+)\n")


class UsageError(Exception):
    """What can't be meant."""


def database_of(file: Path) -> str:
    """Read a backup to its end.

    Args:
        file: the file.

    Returns:
        The name of the database that it holds.

    Raises:
        UsageError: it is none, or isn't whole.
    """
    try:
        head, _ = read_whole(file)
    except BackupError as error:
        raise UsageError(str(error)) from error
    match = HEAD.match(head)
    if match is None:
        raise UsageError(f"{file} is no backup of a database: it doesn't begin as mysqldump's output does")
    return match["database"].decode()


def chosen(files: list[Path], databases: dict[str, Any]) -> dict[str, Path]:
    """Return the file of each database.

    Args:
        files: the backups.
        databases: the settings of this host's, by name.

    Raises:
        UsageError: one can't be used, or two hold the same.
    """
    found: dict[str, Path] = {}
    for file in files:
        database = database_of(file)
        if database not in databases:
            raise UsageError(
                f"{file} holds the database {database}, and this host has {', '.join(databases)}"
            )
        if database in found:
            raise UsageError(f"{found[database]} and {file} both hold {database}: name one of them")
        found[database] = file
    return found


def put_back(file: Path, settings: dict[str, Any]) -> None:
    """Replace a database with what a backup holds.

    Args:
        file: the backup.
        settings: of the database.

    Raises:
        BackupError: MySQL refuses.
    """
    database = settings["database"]
    anew = f"DROP DATABASE IF EXISTS `{database}`; CREATE DATABASE `{database}` CHARACTER SET utf8mb4"
    with client_options(settings["client"]) as options:
        mysql = [settings["mysql"], options]
        if subprocess.run([*mysql, "--execute", anew], check=False).returncode:  # noqa: S603
            raise BackupError(f"{database} can't be made anew")
        # What MySQL refuses, it says itself.
        with (
            zstd.open(file, "rb") as content,
            subprocess.Popen([*mysql, database], stdin=subprocess.PIPE) as process,  # noqa: S603
            suppress(BrokenPipeError),
            cast("IO[bytes]", process.stdin) as sql,
        ):
            shutil.copyfileobj(content, sql, PIECE_BYTES)
        if process.returncode:
            raise BackupError(f"{file} was refused by MySQL, and {database} is incomplete")


def systemctl(*words: str) -> None:
    """Have systemd do something, and wait for it."""
    if subprocess.run(["systemctl", *words], check=False).returncode:  # noqa: S603, S607
        raise BackupError(f"systemctl {' '.join(words)} failed")


def confirmed(found: dict[str, Path]) -> bool:
    """Ask whether it is meant.

    Args:
        found: the file of each database.

    Raises:
        UsageError: nobody is there to ask.
    """
    for database, file in found.items():
        print(f"{database} becomes what {file} holds")
    if not sys.stdin.isatty():
        raise UsageError("say --yes to replace these databases")
    return input("Go on? [y/N] ").strip().lower() in ("y", "yes")


def restore(found: dict[str, Path], settings: dict[str, Any], *, backs_up: bool) -> None:
    """Stop Airflow, replace databases, and start it.

    Args:
        found: the file of each database.
        settings: the command's.
        backs_up: whether what there is now is backed up first.

    Raises:
        BackupError: it failed; Airflow stays stopped.
    """
    print("stopping Airflow: workers finish their tasks first", flush=True)
    systemctl("stop", *settings["timers"], "airflow.target", *settings["jobs"])
    try:
        for database in found if backs_up else ():
            back_up(settings["databases"][database])
        for database, file in found.items():
            put_back(file, settings["databases"][database])
            print(f"{database} is as in {file}", flush=True)
    except BackupError as error:
        raise BackupError(
            f"{error}. Airflow stays stopped; systemctl start airflow.target starts it"
        ) from error
    print("starting Airflow", flush=True)
    systemctl("start", "airflow.target", *settings["timers"])


def main(settings: dict[str, Any], words: list[str]) -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(
        prog="airflow-restore",
        description="Puts back the databases that backups hold. What there is now is backed up first; "
        "Airflow is stopped meanwhile, on this host.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a backup, one of each database")
    parser.add_argument("--yes", action="store_true", help="don't ask")
    parser.add_argument(
        "--no-backup", action="store_true", help="what there is now can't be backed up, and may go"
    )
    arguments = parser.parse_args(words)
    found = chosen(arguments.files, settings["databases"])
    if arguments.yes or confirmed(found):
        restore(found, settings, backs_up=not arguments.no_backup)


if __name__ == "__main__":
    try:
        main(json.loads(Path(sys.argv[1]).read_text()), sys.argv[2:])
    except UsageError as error:
        print(f"airflow-restore: {error}", file=sys.stderr)
        sys.exit(2)
    except BackupError as error:
        sys.exit(f"airflow-restore: {error}")
