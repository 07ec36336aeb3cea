"""How to open and fill the warehouse on MySQL, PostgreSQL and SQLite."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import mysql, postgresql, sqlite

from etl.errors import ConfigError, EtlError

VERSION_TABLE = "etl_schema_version"
LOCK_WAIT_SECONDS = 600

Row = tuple[Any, ...]


def migrate(url: sa.URL) -> list[str]:
    """Create the tables, or bring them up to this version.

    Args:
        url: the warehouse.

    Returns:
        The names of the migrations that ran; empty where nothing was to do.

    Raises:
        EtlError: the warehouse can't be reached or refuses.
    """
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    config = _alembic()
    script = ScriptDirectory.from_config(config)
    with _connection(url) as connection:
        before = _version(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        head = script.get_current_head()
    if before == head:
        return []
    return [revision.revision for revision in script.iterate_revisions(head, before)][::-1]


@contextmanager
def transaction(url: sa.URL, *, exclusive: str | None = None) -> Iterator[sa.Connection]:
    """Open the migrated warehouse for one transaction: committed at the end, or nothing of it is left.

    Args:
        url: the warehouse.
        exclusive: the name of a lock, so that of the transactions that name it only one runs at a time.
            The others wait for up to ten minutes. Without a name the transaction only reads.

    Raises:
        EtlError: the warehouse can't be reached, has not been migrated, is locked, or refuses.
    """
    if url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).exists()):
        raise EtlError(f"there is no warehouse at {_shown(url)}: run `etl migrate`")
    with _connection(url, writes=exclusive is not None) as connection:
        if _version(connection) != ScriptDirectory.from_config(_alembic()).get_current_head():
            raise EtlError(f"the tables of {_shown(url)} are missing or old: run `etl migrate`")
        if exclusive is None:
            yield connection
        else:
            with _lock(connection, exclusive):
                yield connection


def holds_nul(url: sa.URL) -> bool:
    """Tell whether the warehouse's texts can hold U+0000."""
    return url.get_backend_name() != "postgresql"


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Write rows in the order of their keys; a row whose key is there already takes the new values.

    Args:
        connection: an open transaction.
        table: where to.
        rows: values in the order of the table's columns, of different keys. Times and amounts as text.
    """
    by_key = sorted(rows, key=lambda row: row[: len(table.primary_key)])
    connection.exec_driver_sql(_upsert_sql(table, connection.dialect.name), by_key)


@lru_cache
def _upsert_sql(table: sa.Table, backend: str) -> str:
    """Compile the statement once, with one positional placeholder a column."""
    keys = list(table.primary_key.columns)
    # A line that is read again was first read when it was.
    kept = {*keys, *(table.columns[name] for name in ("read_at", "created_date") if name in table.columns)}
    updated = [column.name for column in table.columns if column not in kept]
    values: dict[str, Any] = {column.name: sa.bindparam(column.name) for column in table.columns}
    statement: sa.Insert
    dialect: sa.Dialect
    match backend:
        case "mysql":
            # Without a connection this compiles to VALUES(…), the form of which mysqlclient makes
            # statements of many rows; the newer alias it would send row by row.
            dialect = mysql.dialect(paramstyle="format")
            into_mysql = mysql.insert(table).values(values)
            statement = into_mysql.on_duplicate_key_update(
                {name: into_mysql.inserted[name] for name in updated}
            )
        case "postgresql":
            dialect = postgresql.dialect(paramstyle="format")  # type: ignore[no-untyped-call]
            into_postgresql = postgresql.insert(table).values(values)
            statement = into_postgresql.on_conflict_do_update(
                index_elements=keys, set_={name: into_postgresql.excluded[name] for name in updated}
            )
        case _:
            dialect = sqlite.dialect()
            into_sqlite = sqlite.insert(table).values(values)
            statement = into_sqlite.on_conflict_do_update(
                index_elements=keys, set_={name: into_sqlite.excluded[name] for name in updated}
            )
    return str(statement.compile(dialect=dialect))


def utc_now() -> str:
    """Return the time as the warehouse takes it."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"


def _shown(url: sa.URL) -> str:
    return url.render_as_string(hide_password=True)


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", "etl:migrations")
    config.set_main_option("path_separator", "os")
    return config


def _version(connection: sa.Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


@contextmanager
def _connection(url: sa.URL, *, writes: bool = True) -> Iterator[sa.Connection]:
    """Open a transaction, and tell what the database has against it in one line."""
    engine = _engine(url, writes=writes)
    try:
        with engine.begin() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        first_line = " ".join(str(error.orig).split("\n")[0].split())
        raise EtlError(f"the warehouse {_shown(url)} refused: {first_line}") from error
    finally:
        engine.dispose()


def _engine(url: sa.URL, *, writes: bool) -> sa.Engine:
    backend = url.get_backend_name()
    if backend == "sqlite":
        engine = sa.create_engine(url, connect_args={"timeout": LOCK_WAIT_SECONDS})
        begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

        @sa.event.listens_for(engine, "connect")
        def leave_transactions_to_us(connection: Any, _record: object) -> None:
            connection.isolation_level = None
            connection.execute("PRAGMA journal_mode = WAL")

        @sa.event.listens_for(engine, "begin")
        def begin_transaction(connection: sa.Connection) -> None:
            connection.exec_driver_sql(begin)

        return engine
    try:
        engine = sa.create_engine(url, isolation_level="READ COMMITTED")
    except ImportError as error:
        raise ConfigError(f"there is no driver for {url.drivername!r} here: {error}") from None
    if backend == "mysql":

        @sa.event.listens_for(engine, "connect")
        def refuse_rather_than_clip(connection: Any, _record: object) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION sql_mode = 'TRADITIONAL', time_zone = '+00:00'")

    return engine


@contextmanager
def _lock(connection: sa.Connection, name: str) -> Iterator[None]:
    """Hold a lock of the whole warehouse. SQLite's transaction is one already."""
    busy = EtlError(f"another {name} has held the warehouse for {LOCK_WAIT_SECONDS // 60} minutes")
    if connection.dialect.name == "mysql":
        # Names are the server's, not the database's, and have 64 characters at most.
        lock = sa.func.left(sa.func.concat("etl ", name, " ", sa.func.database()), 64)
        if connection.scalar(sa.select(sa.func.get_lock(lock, LOCK_WAIT_SECONDS))) != 1:
            raise busy
    elif connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT_SECONDS}s'")
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"etl {name}"))))
    yield
