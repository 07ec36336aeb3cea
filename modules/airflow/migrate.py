# A program of a unit, and not part of a package.
# ruff: noqa: INP001, T201
"""Brings Airflow's database to this version of Airflow: `airflow db migrate`, made to be repeated.

A database that can't be reached is worth another try (exit code 75); one that a newer version has
migrated is not (78).
"""

import os
import sys
from typing import Any

from airflow.__main__ import main
from airflow.utils.db import _get_script_object
from airflow.utils.db_manager import RunDBManager
from airflow.utils.session import create_session
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError


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


def check() -> None:
    """Exit unless the database can be reached and is not of a newer version."""
    managers: list[Any] = RunDBManager()._managers  # type: ignore[no-untyped-call] # noqa: SLF001
    try:
        with create_session() as session:
            refuse_newer(session.connection(), _get_script_object(), "alembic_version")
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
