"""What the tests share: an S3 API on this machine, and an empty warehouse of each kind that can be had."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from etl import storage, tables
from etl import warehouse as warehouses
from etl.config import S3Location, warehouse_url
from moto.server import ThreadedMotoServer


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--warehouse",
        metavar="URL",
        help="run the warehouse tests on this database only; its tables of the pipeline are emptied",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "warehouse_backend" in metafunc.fixturenames:
        given = metafunc.config.getoption("--warehouse")
        backends = ["given"] if given else ["sqlite", "postgresql"]
        metafunc.parametrize("warehouse_backend", backends, scope="session")


@pytest.fixture(scope="session")
def warehouse_server(
    warehouse_backend: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sa.URL]:
    """The address of a migrated warehouse."""
    if warehouse_backend == "postgresql":
        servers = _postgresql()
    elif warehouse_backend == "sqlite":
        servers = iter(
            [sa.URL.create("sqlite", database=str(tmp_path_factory.mktemp("warehouse") / "w.sqlite"))]
        )
    else:
        servers = iter([warehouse_url({"ETL_WAREHOUSE_URL": request.config.getoption("--warehouse")})])
    for url in servers:
        warehouses.migrate(url)
        yield url


def _postgresql() -> Iterator[sa.URL]:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = str(programs[-1]) if programs else shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL's server is not installed (initdb was not found)")
    # Socket paths have 107 characters at most, and pytest's own folders are long.
    with tempfile.TemporaryDirectory(prefix="etl-") as folder:
        # The server refuses to run as root.
        as_user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
            as_user = ["runuser", "-u", "postgres", "--"]
        pg_ctl = [*as_user, str(Path(initdb).with_name("pg_ctl")), "-D", f"{folder}/data"]
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        run_quietly(
            [*as_user, initdb, "-D", f"{folder}/data", "-A", "trust", "-U", "etl", "-E", "UTF8"], folder
        )
        run_quietly([*pg_ctl, "-w", "-l", f"{folder}/log", "-o", options, "start"], folder)
        try:
            yield sa.make_url(f"postgresql+psycopg://etl@/postgres?host={folder}")
        finally:
            run_quietly([*pg_ctl, "-w", "-m", "immediate", "stop"], folder)


def run_quietly(command: list[str], folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


@pytest.fixture
def warehouse(warehouse_server: sa.URL) -> sa.URL:
    """The address of an empty, migrated warehouse."""
    with warehouses.transaction(warehouse_server, exclusive="tests") as connection:
        for table in tables.metadata.sorted_tables:
            connection.execute(sa.delete(table))
    return warehouse_server


def add_organization(url: sa.URL) -> None:
    """Put organization 1 and its only member, user 7, into a migrated warehouse."""
    now = "2016-02-01 00:00:00"
    with warehouses.transaction(url, exclusive="tests") as connection:
        warehouses.upsert(connection, tables.organization, [(1, "Acme", now, now)])
        warehouses.upsert(connection, tables.organization_user, [(1, 7, now, now)])


Rows = Callable[[sa.Table], list[tuple[Any, ...]]]


@pytest.fixture
def rows(warehouse: sa.URL) -> Rows:
    """Read a whole table in the order of its keys, of the events' tables without the day."""

    def read(table: sa.Table) -> list[tuple[Any, ...]]:
        columns = [
            column
            for column in table.columns
            if table not in tables.event_tables.values() or column.name != "run_date"
        ]
        with warehouses.transaction(warehouse) as connection:
            found = connection.execute(sa.select(*columns).order_by(*table.primary_key.columns))
            return [tuple(row) for row in found]

    return read


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of an S3 API."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of somebody with access to that S3 API."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "ETL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def source(aws: None, monkeypatch: pytest.MonkeyPatch) -> S3Location:
    """An empty bucket of this test's own, named in the environment."""
    location = S3Location(f"events-{uuid4()}", "prod/events")
    monkeypatch.setenv("ETL_S3_BUCKET", location.bucket)
    monkeypatch.setenv("ETL_S3_PREFIX", location.prefix)
    storage.make_bucket(storage.client(), location.bucket)
    return location


Put = Callable[[date, str, bytes], None]


@pytest.fixture
def put(source: S3Location) -> Put:
    """Write one object of a day."""
    s3 = storage.client()

    def write(day: date, name: str, content: bytes) -> None:
        s3.put_object(Bucket=source.bucket, Key=source.day_prefix(day) + name, Body=content)

    return write
