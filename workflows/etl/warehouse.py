"""How to open and fill the warehouse on MySQL, PostgreSQL and SQLite."""

import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection

from etl import migrations, statements
from etl.config import no_driver
from etl.errors import ConfigError, EtlError

LOCK_WAIT_SECONDS = 600
# A database's own wait can't be interrupted, so a lock is asked for again and again.
LOCK_TRY_SECONDS = 1
LOCK_PAUSE_SECONDS = 0.1
# Of a client that is gone without a word, the server keeps the locks for so long; by default for 8 hours.
# Less than others wait for them, and more than a source pauses within a day.
SILENCE_SECONDS = 300
# Without the flag that SQLAlchemy sets, MySQL counts the rows that are new and not those that it found.
MYSQL_OPTIONS = {"client_flag": 0, "charset": "utf8mb4"}
# In one statement, for a small load is mostly statements. By its mode it refuses rather than clips.
MYSQL_SETTINGS = (
    "SET SESSION transaction_isolation = 'READ-COMMITTED', sql_mode = 'TRADITIONAL', "
    f"time_zone = '+00:00', wait_timeout = {SILENCE_SECONDS}"
)
# A packet that is too large, and what the client sees where the server hangs up on one.
MYSQL_PACKET_ERRORS = (1153, 2006, 2013)

logger = logging.getLogger(__name__)

Row = tuple[Any, ...]


def migrate(url: sa.URL) -> list[str]:
    """Create the tables, or bring them up to this version.

    Args:
        url: the warehouse.

    Returns:
        The names of the migrations that ran; empty where nothing was to do.

    Raises:
        ConfigError: a newer version of this package has migrated the warehouse.
        EtlError: the warehouse can't be reached or refuses.
    """
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        folder = Path(url.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EtlError(
                f"the folder {folder} for the warehouse can't be made: {error.strerror}"
            ) from error
    with _connection(url, makes_tables=True) as connection:
        lacking = _lacking(connection, url)
        migrations.upgrade(connection)
        return lacking


def pending(url: sa.URL) -> list[str]:
    """Return the names of the migrations that :func:`migrate` would run.

    Args:
        url: the warehouse.

    Raises:
        ConfigError: a newer version of this package has migrated the warehouse.
        EtlError: the warehouse can't be reached or refuses.
    """
    if _is_missing_file(url):
        return migrations.pending(None)
    with _connection(url, writes=False) as connection:
        return _lacking(connection, url)


def _lacking(connection: sa.Connection, url: sa.URL) -> list[str]:
    before = _version(connection)
    if before is not None and before > migrations.newest():
        raise ConfigError(
            f"the tables of {_shown(url)} were migrated by a newer version ({before}): install that one"
        )
    return migrations.pending(before)


def _is_missing_file(url: sa.URL) -> bool:
    return url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).exists())


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
    if _is_missing_file(url):
        raise EtlError(f"there is no warehouse at {_shown(url)}: run `etl migrate`")
    with _connection(url, writes=exclusive is not None) as connection:
        if _version(connection) != migrations.newest():
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
    _writing(connection, table, rows, replace=True)()


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> int:
    """Write the rows whose keys are not there, in the order of their keys, and leave the others alone.

    Args:
        connection: an open transaction.
        table: where to.
        rows: values in the order of the table's columns, of different keys. Times and amounts as text.

    Returns:
        How many were written.
    """
    return insertion(connection, table, rows)()


def insertion(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> Callable[[], int]:
    """Prepare what `insert_new` does, and return what does it.

    Args:
        connection: an open transaction, which is not used yet.
        table: where to.
        rows: as of `insert_new`.
    """
    return _writing(connection, table, rows, replace=False)


def _writing(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Row], *, replace: bool
) -> Callable[[], int]:
    if not rows:
        return lambda: 0
    key = itemgetter(*(n for n, column in enumerate(table.columns) if column.primary_key))
    in_order = sorted(rows, key=key)
    statement = _insert_sql(table, connection.dialect.name, replace=replace)
    execute = connection.exec_driver_sql
    match connection.dialect.name:
        case "mysql":
            texts = list(statements.for_mysql(statement, in_order))
            as_it_is = {"no_parameters": True}
            return lambda: sum(execute(text, execution_options=as_it_is).rowcount for text in texts)
        case "sqlite":
            return lambda: sum(
                execute(text, values).rowcount for text, values in statements.for_sqlite(statement, in_order)
            )
        case _:
            return lambda: execute(statement, in_order).rowcount


# What a row keeps when it is written again: a line that is read again was first read when it was.
KEPT = frozenset({"read_at", "created_date", "statistics_at"})


@lru_cache
def _insert_sql(table: sa.Table, backend: str, *, replace: bool) -> str:
    """Compile the statement once, with one positional placeholder a column."""
    keys = list(table.primary_key.columns)
    updated = [column.name for column in table.columns if column not in keys and column.name not in KEPT]
    values: dict[str, Any] = {column.name: sa.bindparam(column.name) for column in table.columns}
    statement: sa.Insert
    dialect: sa.Dialect
    match backend:
        case "mysql":
            # Without a connection this compiles to VALUES(…), which MySQL 5.7 and MariaDB know as well.
            dialect = mysql.dialect(paramstyle="format")
            into_mysql = mysql.insert(table).values(values)
            # IGNORE would let more pass than rows that are there.
            changes = (
                {name: into_mysql.inserted[name] for name in updated} if replace else {keys[0].name: keys[0]}
            )
            statement = into_mysql.on_duplicate_key_update(changes)
        case "postgresql":
            # It takes longer than a small load into another.
            from sqlalchemy.dialects import postgresql  # noqa: PLC0415

            dialect = postgresql.dialect(paramstyle="format")  # type: ignore[no-untyped-call]
            into_postgresql = postgresql.insert(table).values(values)
            statement = (
                into_postgresql.on_conflict_do_update(
                    index_elements=keys, set_={name: into_postgresql.excluded[name] for name in updated}
                )
                if replace
                else into_postgresql.on_conflict_do_nothing(index_elements=keys)
            )
        case _:
            dialect = sqlite.dialect()
            into_sqlite = sqlite.insert(table).values(values)
            statement = (
                into_sqlite.on_conflict_do_update(
                    index_elements=keys, set_={name: into_sqlite.excluded[name] for name in updated}
                )
                if replace
                else into_sqlite.on_conflict_do_nothing(index_elements=keys)
            )
    return str(statement.compile(dialect=dialect))


def utc_now() -> str:
    """Return the time as the warehouse takes it."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"


def _shown(url: sa.URL) -> str:
    return url.render_as_string(hide_password=True)


def _version(connection: sa.Connection) -> str | None:
    """Read what Alembic has written: importing it takes longer than a small load."""
    versions = sa.table(migrations.VERSION_TABLE, sa.column("version_num", sa.String))
    # PostgreSQL would refuse all that follows on an error.
    refused_alone = connection.begin_nested() if connection.dialect.name == "postgresql" else nullcontext()
    try:
        with refused_alone:
            return connection.scalar(sa.select(versions.c.version_num))
    except sa.exc.DBAPIError:
        # Asked first, it would take a small load longer than a table.
        if sa.inspect(connection).has_table(migrations.VERSION_TABLE):
            raise
        return None


@contextmanager
def _connection(url: sa.URL, *, writes: bool = True, makes_tables: bool = False) -> Iterator[sa.Connection]:
    """Open a transaction, and tell what the database has against it in one line."""
    try:
        engine = _engine(url, writes=writes, makes_tables=makes_tables)
        connecting = engine.connect()
    except ImportError:
        raise no_driver(_shown(url), url) from None
    except (TypeError, ValueError) as error:
        # What the drivers make of options of the URL that they don't know, or of values of a wrong kind.
        raise ConfigError(f"the warehouse {_shown(url)} can't be opened: {error}") from None
    except sa.exc.DBAPIError as error:
        raise _refused(url, error.orig) from error
    try:
        with connecting as connection, connection.begin():
            yield connection
    except sa.exc.DBAPIError as error:
        raise _refused(url, error.orig) from error
    except sqlite3.Error as error:
        # Of a transaction's beginning, which is ours.
        raise _refused(url, error) from error


def _refused(url: sa.URL, error: BaseException | None) -> EtlError:
    first_line = " ".join(str(error).split("\n")[0].split())
    code = error.args[0] if error and error.args else None
    hint = (
        "; if a line is long, set the server's max_allowed_packet to 1G, which every line fits"
        if url.get_backend_name() == "mysql" and code in MYSQL_PACKET_ERRORS
        else ""
    )
    return EtlError(f"the warehouse {_shown(url)} refused: {first_line}{hint}")


@lru_cache(maxsize=8)
def _engine(url: sa.URL, *, writes: bool, makes_tables: bool) -> sa.Engine:
    """Make what opens connections, once: what it learns of the server and of statements takes a while.

    It keeps no connection open, so that nothing is left of one, and processes that are forked share none.
    """
    backend = url.get_backend_name()
    if backend == "sqlite":
        return _sqlite_to_write(url, makes_tables=makes_tables) if writes else _sqlite_to_read(url)
    if backend == "mysql":
        return _mysql(url)
    return sa.create_engine(url, isolation_level="READ COMMITTED", poolclass=sa.NullPool)


def _mysql(url: sa.URL) -> sa.Engine:
    # A connection that is closed needs no last word about a transaction that has ended.
    engine = sa.create_engine(
        url, connect_args=MYSQL_OPTIONS, poolclass=sa.NullPool, pool_reset_on_return=None
    )

    @sa.event.listens_for(engine, "connect")
    def set_up(connection: DBAPIConnection, _record: object) -> None:
        with closing(connection.cursor()) as cursor:
            cursor.execute(MYSQL_SETTINGS)

    return engine


def _sqlite_to_write(url: sa.URL, *, makes_tables: bool) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": LOCK_TRY_SECONDS}, poolclass=sa.NullPool)

    @sa.event.listens_for(engine, "connect")
    def leave_transactions_to_us(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        # The file keeps it, and one that is no warehouse is left as it is.
        if makes_tables:
            _wait_for("something else", lambda: _unless_busy(connection, "PRAGMA journal_mode = WAL"))

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        raw: Any = connection.connection.driver_connection
        _wait_for("something else", lambda: _unless_busy(raw, "BEGIN IMMEDIATE"))

    return engine


def _sqlite_to_read(url: sa.URL) -> sa.Engine:
    """Make no file: where none can be made, a database of another's is read as it is."""
    database = Path(url.database or "")

    def connect() -> sqlite3.Connection:
        address = f"file:{quote(str(database.absolute()))}?mode=ro"
        connection = sqlite3.connect(address, uri=True, timeout=LOCK_WAIT_SECONDS, isolation_level=None)
        try:
            connection.execute("SELECT 1 FROM sqlite_schema")
        except sqlite3.OperationalError as error:
            connection.close()
            log = database.with_name(f"{database.name}-wal")
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY or log.exists():
                raise
            # Without a log nobody is writing.
            connection = sqlite3.connect(f"{address}&immutable=1", uri=True, isolation_level=None)
        return connection

    engine = sa.create_engine(url, creator=connect, poolclass=sa.NullPool)

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _unless_busy(connection: sqlite3.Connection, statement: str) -> bool:
    try:
        connection.execute(statement)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


@contextmanager
def _lock(connection: sa.Connection, name: str) -> Iterator[None]:
    """Hold a lock of the whole warehouse. SQLite's transaction is one already."""
    if connection.dialect.name == "mysql":
        # Names are the server's, not the database's, and have 64 characters at most.
        lock = sa.func.left(sa.func.concat("etl ", name, " ", sa.func.database()), 64)
        asking = sa.select(sa.func.get_lock(lock, LOCK_TRY_SECONDS))
        _wait_for(f"another {name}", lambda: connection.scalar(asking) == 1)
    elif connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{SILENCE_SECONDS}s'")
        trying = sa.select(sa.func.pg_try_advisory_xact_lock(sa.func.hashtext(f"etl {name}")))
        _wait_for(f"another {name}", lambda: bool(connection.scalar(trying)))
    yield


def _wait_for(holder: str, get: Callable[[], bool]) -> None:
    """Ask for a lock until it is there, and say so where that takes longer than a second.

    Args:
        holder: who has it, for messages.
        get: asks for it, waits ``LOCK_TRY_SECONDS`` at most, and returns whether it is there.

    Raises:
        EtlError: it was not to be had in ten minutes.
    """
    started = monotonic()
    told = False
    while not get():
        waited = monotonic() - started
        if waited >= LOCK_WAIT_SECONDS:
            raise EtlError(f"{holder} has held the warehouse for {LOCK_WAIT_SECONDS // 60} minutes")
        if waited >= LOCK_TRY_SECONDS and not told:
            logger.warning("waiting: %s is writing to the warehouse", holder)
            told = True
        sleep(LOCK_PAUSE_SECONDS)
