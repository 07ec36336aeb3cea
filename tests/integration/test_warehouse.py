import logging
import os
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from etl import migrations, tables
from etl import warehouse as warehouses
from etl.errors import ConfigError, EtlError

ALL_VERSIONS = [f"{number:04}" for number in range(1, int(migrations.newest()) + 1)]


def test_the_migrations_make_the_tables_that_the_jobs_use(warehouse_server: sa.URL) -> None:
    with warehouses.transaction(warehouse_server) as connection:
        options = {"version_table": migrations.VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        missing = compare_metadata(context, tables.metadata)
    assert not missing, f"needs a migration, a file in etl/migrations/versions: {missing}"


def test_migrating_again_does_nothing(warehouse: sa.URL) -> None:
    assert warehouses.pending(warehouse) == []
    assert warehouses.migrate(warehouse) == []


def test_migrations_can_be_undone_and_done_again(warehouse: sa.URL) -> None:
    with warehouses._connection(warehouse) as connection:  # noqa: SLF001
        command.downgrade(migrations.alembic_config(connection), "base")
        assert set(sa.inspect(connection).get_table_names()) <= {migrations.VERSION_TABLE}
    with pytest.raises(EtlError, match="run `etl migrate`"), warehouses.transaction(warehouse):
        pass
    assert warehouses.pending(warehouse) == ALL_VERSIONS
    assert warehouses.migrate(warehouse) == ALL_VERSIONS


def test_tables_of_a_newer_version_are_left_alone(warehouse: sa.URL) -> None:
    def say(version: str) -> None:
        with warehouses._connection(warehouse) as connection:  # noqa: SLF001
            connection.exec_driver_sql(f"UPDATE {migrations.VERSION_TABLE} SET version_num = '{version}'")

    say("9999")
    try:
        with pytest.raises(ConfigError, match=r"migrated by a newer version \(9999\)"):
            warehouses.migrate(warehouse)
        with pytest.raises(ConfigError, match="newer version"):
            warehouses.pending(warehouse)
    finally:
        say(migrations.newest())


def test_an_upsert_replaces_all_but_when_it_was_created(warehouse: sa.URL) -> None:
    with warehouses.transaction(warehouse, exclusive="test") as connection:
        for name, when in (("Old", "2016-01-01 00:00:00"), ("New", "2016-02-02 00:00:00")):
            warehouses.upsert(connection, tables.organization, [(1, name, when, when)])
        ((*named, created, modified),) = connection.execute(sa.select(tables.organization))
    assert named == [1, "New"]
    assert (created.month, modified.month) == (1, 2)


def test_reading_does_not_make_a_warehouse(tmp_path: Path) -> None:
    url = sa.URL.create("sqlite", database=str(tmp_path / "none.sqlite"))
    with (
        pytest.raises(EtlError, match=r"there is no warehouse at .*: run `etl migrate`"),
        warehouses.transaction(url),
    ):
        pass
    assert warehouses.pending(url) == ALL_VERSIONS
    assert list(tmp_path.iterdir()) == []


def test_migrating_makes_the_folder(tmp_path: Path) -> None:
    url = sa.URL.create("sqlite", database=str(tmp_path / "new" / "folder" / "w.sqlite"))
    assert warehouses.migrate(url) == ALL_VERSIONS


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("these are not the tables you are looking for" * 100)
    with pytest.raises(EtlError, match=r"notes\.txt refused: file is not a database"):
        warehouses.migrate(sa.URL.create("sqlite", database=str(file)))


def test_a_waiting_lock_gives_up_with_a_message(warehouse: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouses, "LOCK_WAIT_SECONDS", 1)
    with (
        warehouses.transaction(warehouse, exclusive="load-events"),
        pytest.raises(EtlError, match=r"(another load-events|something else) has held the warehouse"),
        warehouses.transaction(warehouse, exclusive="load-events"),
    ):
        pass


def test_a_wait_for_a_lock_is_told_of_and_ends_with_it(
    warehouse: sa.URL, caplog: pytest.LogCaptureFixture
) -> None:
    told = threading.Event()

    class Listener(logging.Handler):
        def emit(self, _record: logging.LogRecord) -> None:
            told.set()

    def write() -> None:
        with warehouses.transaction(warehouse, exclusive="load-events"):
            pass

    warehouses.logger.addHandler(listener := Listener())
    with ThreadPoolExecutor(1) as second:
        with warehouses.transaction(warehouse, exclusive="load-events"):
            waiting = second.submit(write)
            assert told.wait(10)
            assert not waiting.done()
        waiting.result(10)
    warehouses.logger.removeHandler(listener)
    assert "is writing to the warehouse" in caplog.text


def test_who_is_silent_for_long_holds_nothing(warehouse: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    if warehouse.get_backend_name() == "sqlite":
        pytest.skip("nobody is elsewhere")
    monkeypatch.setattr(warehouses, "SILENCE_SECONDS", 1)

    def be_silent() -> None:
        with warehouses.transaction(warehouse, exclusive="load-events") as silent:
            # The first one says nothing, as if its host were gone.
            with warehouses.transaction(warehouse, exclusive="load-events"):
                pass
            silent.execute(sa.select(tables.organization))

    with pytest.raises(EtlError, match="refused"):
        be_silent()


@pytest.fixture
def read_only() -> Iterator[sa.URL]:
    """A migrated SQLite warehouse in a folder that this process may not write to."""
    # A folder of pytest's could not be entered by anybody else.
    with tempfile.TemporaryDirectory(prefix="etl-") as folder:
        url = sa.URL.create("sqlite", database=f"{folder}/w.sqlite")
        warehouses.migrate(url)
        with warehouses.transaction(url, exclusive="test") as connection:
            warehouses.upsert(connection, tables.organization, [(1, "Acme", *["2016-01-01 00:00:00"] * 2)])
        Path(folder).chmod(0o555)
        if os.geteuid() == 0:
            os.seteuid(65534)
        yield url
        os.seteuid(os.getuid())
        Path(folder).chmod(0o755)


def test_a_url_may_have_a_statement_of_its_own(warehouse: sa.URL) -> None:
    if warehouse.get_backend_name() != "mysql":
        pytest.skip("init_command is MySQL's")
    own = warehouse.update_query_dict({"init_command": "SET SESSION lock_wait_timeout = 7, sql_mode = ''"})
    with warehouses.transaction(own) as connection:
        found = connection.exec_driver_sql("SELECT @@lock_wait_timeout, @@sql_mode, @@time_zone").one()
    assert found[0] == 7
    assert "STRICT_ALL_TABLES" in found[1]
    assert found[2] == "+00:00"


def test_a_warehouse_that_may_only_be_read_can_be_read(read_only: sa.URL) -> None:
    with warehouses.transaction(read_only) as connection:
        assert connection.scalar(sa.select(tables.organization.c.organization_name)) == "Acme"
    with (
        pytest.raises(EtlError, match=r"refused: .*(readonly|unable to open)"),
        warehouses.transaction(read_only, exclusive="test"),
    ):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    url = sa.URL.create("sqlite", database=str(tmp_path / "file" / "folder" / "w.sqlite"))
    with pytest.raises(EtlError, match=f"the folder {tmp_path}/file/folder for the warehouse can't be made"):
        warehouses.migrate(url)


def test_an_option_of_a_wrong_kind_is_named(tmp_path: Path) -> None:
    url = sa.make_url(f"sqlite:///{tmp_path}/w.sqlite?timeout=soon")
    with pytest.raises(ConfigError, match=r"can't be opened: .*soon"):
        warehouses.migrate(url)


def test_the_newest_version_is_the_one_that_alembic_runs_last() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert scripts.get_current_head() == migrations.newest()
