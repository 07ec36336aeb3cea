# A program of a unit, and not part of a package.
# ruff: noqa: INP001, T201
"""Brings Airflow's database to this version of Airflow: `airflow db migrate`, made to be repeated.

A database that can't be reached is worth another try (exit code 75); one that a newer version has
migrated, or that is encrypted with another key, is not (78).
"""

import os
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


def refuse_newer(connection: Connection, script: ScriptDirectory, version_table: str) -> None:
    """Exit where the tables are at a revision that this version doesn't know."""
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


def check() -> None:
    """Exit unless the database can be reached, is of no newer version and encrypted with this key."""
    refuse_malformed_key()
    managers: list[Any] = RunDBManager()._managers  # type: ignore[no-untyped-call] # noqa: SLF001
    try:
        with create_session() as session:
            refuse_newer(session.connection(), _get_script_object(), "alembic_version")
            refuse_other_key(session.connection())
            for manager in managers:
                other = manager(session)
                refuse_newer(session.connection(), other.get_script_object(), other.version_table_name)
    except OperationalError as error:
        print(f"waiting for the database: {error.orig}", file=sys.stderr)
        sys.exit(os.EX_TEMPFAIL)


if __name__ == "__main__":
    check()
    sys.argv = ["airflow", "db", "migrate"]
    main()  # type: ignore[no-untyped-call]
