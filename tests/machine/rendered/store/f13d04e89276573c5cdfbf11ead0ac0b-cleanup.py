# A program of a unit, and not part of a package.
# ruff: noqa: INP001
"""Deletes rows of Airflow's database that are older than some days: `airflow db clean` that never hangs.

MySQL refuses to delete a DAG while a task instance refers to a version of it, such as one that never started:
those are not deleted by their age. Airflow then waits, on another connection, for a lock that is its own. So
such DAGs are left for another time, and no statement waits for longer than a minute for a table.
"""

import sys
from typing import Any

import pendulum
from airflow import settings
from airflow.utils import db_cleanup
from sqlalchemy import Engine, event, exists, inspect, literal_column, select, text
from sqlalchemy.sql import ColumnElement, column, table

WAIT_SECONDS = 60


def bound_waits(engine: Engine) -> None:
    """Have no statement of this process wait longer for a table that others use."""

    @event.listens_for(engine, "connect")
    def limit(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION lock_wait_timeout = {WAIT_SECONDS}")


def is_in_use() -> ColumnElement[bool]:
    """Say of a DAG, which is base in Airflow's query, whether MySQL will refuse to delete it."""
    versions = table("dag_version", column("id"), column("dag_id"))
    instances = table("task_instance", column("dag_version_id"))
    referring = select(instances.c.dag_version_id).join(versions, instances.c.dag_version_id == versions.c.id)
    return exists(referring.where(versions.c.dag_id == literal_column("base.dag_id")))


def copies(engine: Engine) -> set[str]:
    """Name the tables in which Airflow keeps what it deletes, until it has."""
    names = inspect(engine).get_table_names()
    return {name for name in names if name.startswith(db_cleanup.ARCHIVE_TABLE_PREFIX)}


def main(days: int) -> None:
    """Delete what is older than this.

    Args:
        days: the age.

    Raises:
        RuntimeError: rows of some tables could not be deleted.
    """
    engine: Engine = settings.get_engine()  # type: ignore[no-untyped-call]
    bound_waits(engine)
    before = copies(engine)
    db_cleanup.config_dict["dag"].extra_filters = [~is_in_use()]
    try:
        db_cleanup.run_cleanup(
            clean_before_timestamp=pendulum.now("UTC").subtract(days=days),
            confirm=False,
            skip_archive=True,
            error_on_cleanup_failure=True,
        )
    finally:
        with engine.begin() as connection:
            for name in copies(engine) - before:
                connection.execute(text(f"DROP TABLE {name}"))


if __name__ == "__main__":
    main(int(sys.argv[1]))
