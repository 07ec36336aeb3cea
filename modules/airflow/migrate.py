# A program of a unit, and not part of a package.
# ruff: noqa: INP001, T201
"""Brings Airflow's database to this version of Airflow: `airflow db migrate`, made to be repeated.

A database that can't be reached is worth another try (exit code 75); one that a newer version has
migrated, or that is encrypted with another key, is not (78). Given a command, tables are changed only
after it has made a backup.
"""

import os
import subprocess
import sys
from typing import Any

from airflow.__main__ import main
from airflow.models.crypto import get_fernet
from airflow.sdk.exceptions import AirflowException
from airflow.utils.db import _get_script_object
from airflow.utils.db_manager import RunDBManager
from airflow.utils.session import create_session
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from cryptography.fernet import InvalidToken
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import OperationalError

# Where Airflow keeps what it has encrypted.
ENCRYPTED = {
    "connection": "SELECT password FROM connection WHERE is_encrypted AND password <> ''",
    "variable": "SELECT val FROM variable WHERE is_encrypted AND val <> ''",
}


def is_outdated(connection: Connection, script: ScriptDirectory, version_table: str) -> bool:
    """Tell whether there are tables to change; exit where this version doesn't know their revision."""
    revision = MigrationContext.configure(
        connection, opts={"version_table": version_table}
    ).get_current_revision()
    try:
        script.get_revisions(revision or "base")
    except CommandError:
        print(
            f"the database was migrated by a newer version ({version_table} is {revision}, which this one "
            "doesn't know): deploy that version again, or restore a backup from before it",
            file=sys.stderr,
        )
        sys.exit(os.EX_CONFIG)
    return revision is not None and revision != script.get_current_head()


def refuse_malformed_key() -> None:
    """Exit where the Fernet key is none."""
    try:
        get_fernet()
    except AirflowException as error:
        print(f"services.airflow.credentials.fernetKeyFile: {error}", file=sys.stderr)
        sys.exit(os.EX_CONFIG)


def readable(token: str) -> bool:
    """Tell whether the Fernet key opens what was encrypted."""
    try:
        get_fernet().decrypt(token.encode())
    except InvalidToken:
        return False
    return True


def refuse_other_key(connection: Connection) -> None:
    """Exit where the Fernet key opens nothing of what there is; what one lost key hid is no reason."""
    tables = set(inspect(connection).get_table_names())
    found = [
        token
        for table, statement in ENCRYPTED.items()
        if table in tables
        for token in connection.scalars(text(statement))
    ]
    if found and not any(readable(token) for token in found):
        print(
            "services.airflow.credentials.fernetKeyFile: this is not the key with which the connections and "
            f"variables of this database are encrypted ({len(found)}, of which none can be read): put the "
            "former key back, or behind the new one, with a comma between them",
            file=sys.stderr,
        )
        sys.exit(os.EX_CONFIG)


def check() -> bool:
    """Exit unless the database can be reached, is of no newer version and encrypted with this key.

    Returns:
        Whether there are tables to change.
    """
    refuse_malformed_key()
    managers: list[Any] = RunDBManager()._managers  # type: ignore[no-untyped-call] # noqa: SLF001
    try:
        with create_session() as session:
            connection = session.connection()
            outdated = [is_outdated(connection, _get_script_object(), "alembic_version")]
            refuse_other_key(connection)
            for manager in managers:
                other = manager(session)
                outdated.append(is_outdated(connection, other.get_script_object(), other.version_table_name))
    except OperationalError as error:
        print(f"waiting for the database: {error.orig}", file=sys.stderr)
        sys.exit(os.EX_TEMPFAIL)
    return any(outdated)


def back_up(command: list[str]) -> None:
    """Have the database backed up; exit where that fails."""
    print("backing up the database before its tables are changed", flush=True)
    if subprocess.run(command, check=False).returncode:  # noqa: S603
        print("the tables are left as they are, for there is no backup of them", file=sys.stderr)
        sys.exit(os.EX_TEMPFAIL)


if __name__ == "__main__":
    if check() and sys.argv[1:]:
        back_up(sys.argv[1:])
    sys.argv = ["airflow", "db", "migrate"]
    main()  # type: ignore[no-untyped-call]
