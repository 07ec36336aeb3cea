"""A MySQL server of the benchmarks' own."""

import shutil
import subprocess
import tempfile
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self

import sqlalchemy as sa
from etl import tables, warehouse
from sqlalchemy.dialects import mysql

from tests.bench.references import LOADED, Rows, load_data_file

START_SECONDS = 60
OPTIONS = (
    "--no-defaults",
    "--user=mysql",
    "--skip-networking",
    "--mysqlx=OFF",
    "--innodb-buffer-pool-size=1G",
    "--innodb-redo-log-capacity=1G",
    "--max-allowed-packet=1G",
    "--secure-file-priv=",
)


class OpenMysql:
    """A server with an empty data folder, a buffer pool of 1 GB, and a warehouse in it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bench-mysql-", dir="/var/tmp"))
        socket = self.folder / "socket"
        self._of_server = sa.make_url(f"mysql+mysqldb://root@localhost/?unix_socket={socket}&charset=utf8mb4")
        self.url = self._of_server.set(database="bench")
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        program = shutil.which("mysqld", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        if program is None:
            raise SystemExit("mysqld was not found: install MySQL's server")
        shutil.chown(self.folder, "mysql")
        options = [
            *OPTIONS,
            f"--datadir={self.folder / 'data'}",
            f"--log-error={self.folder / 'log'}",
            # An index of years is sorted there, for which memory is too small.
            f"--tmpdir={self.folder}",
        ]
        subprocess.run([program, *options, "--initialize-insecure"], check=True)
        self._server = subprocess.Popen([program, *options, f"--socket={self.folder / 'socket'}"])
        self._wait()
        with self._root().connect() as connection:
            connection.execute(sa.text("CREATE DATABASE bench"))
        warehouse.migrate(self.url)
        return self

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._server.kill()
            self._server.wait()
        shutil.rmtree(self.folder)

    def _root(self) -> sa.Engine:
        return sa.create_engine(self._of_server, poolclass=sa.NullPool)

    def _wait(self) -> None:
        deadline = monotonic() + START_SECONDS
        while True:
            try:
                with self._root().connect():
                    return
            except sa.exc.OperationalError:
                if monotonic() > deadline:
                    raise
                sleep(0.1)

    def empty(self) -> sa.URL:
        """Empty the warehouse, and return its address."""
        for statement in (f"TRUNCATE TABLE {table.name}" for table in tables.metadata.sorted_tables):
            self._execute(statement)
        return self.url

    def _execute(self, *statements: str) -> None:
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def prepare(self, rows: Rows) -> None:
        """Keep rows, sorted by their keys, in files that the server reads.

        Args:
            rows: of each table.
        """
        for table, values in rows.items():
            (self.folder / table.name).write_text(load_data_file(values))

    def load_prepared(self, _: sa.URL) -> None:
        """Let the server read the prepared rows."""
        self._execute(
            "SET SESSION sql_mode = 'TRADITIONAL', time_zone = '+00:00'",
            *(
                f"LOAD DATA INFILE '{self.folder / table.name}' INTO TABLE {table.name} CHARACTER SET utf8mb4"
                for table in LOADED
            ),
        )

    def add_history(self, url: sa.URL, age: timedelta, number: int) -> None:
        """Add all events again, so much older.

        Args:
            url: the warehouse, with the events of one history.
            age: how much older.
            number: which history it is; none has the ids of another.
        """
        with warehouse.transaction(url, exclusive="bench") as connection:
            for table in (table for table in LOADED if "timestamp" in table.columns):
                names = [column.name for column in table.columns]
                changed = {
                    "id": f"CONCAT(id, '-{number}')",
                    "timestamp": f"timestamp - INTERVAL {age.days} DAY",
                    "run_date": f"run_date - INTERVAL {age.days} DAY",
                }
                values = ", ".join(changed.get(name, name) for name in names)
                connection.exec_driver_sql(
                    f"INSERT INTO {table.name} SELECT {values} FROM {table.name} WHERE id NOT LIKE '%%-%%'"
                )

    def full_scans(self, url: sa.URL, query: sa.Select[Any]) -> list[str]:
        """Return the event tables that a query reads as a whole.

        Args:
            url: the warehouse.
            query: the query.
        """
        compiled = query.compile(dialect=mysql.dialect(), compile_kwargs={"literal_binds": True})
        with warehouse.transaction(url) as connection:
            text = str(compiled).replace("%", "%%")
            plan = connection.exec_driver_sql(f"EXPLAIN FORMAT=TRADITIONAL {text}").all()
        names = {table.name for table in LOADED}
        return sorted({step.table for step in plan if step.type in {"ALL", "index"}} & names)
