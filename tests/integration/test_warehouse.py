from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from etl import tables
from etl import warehouse as warehouses
from etl.errors import EtlError


def test_the_migrations_make_the_tables_that_the_jobs_use(warehouse: sa.URL) -> None:
    with warehouses.transaction(warehouse) as connection:
        options = {"version_table": warehouses.VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, tables.metadata) == []


def test_migrating_again_does_nothing(warehouse: sa.URL) -> None:
    assert warehouses.migrate(warehouse) == []


def test_migrations_can_be_undone_and_done_again(warehouse: sa.URL) -> None:
    config = warehouses._alembic()  # noqa: SLF001
    with warehouses._connection(warehouse) as connection:  # noqa: SLF001
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert set(sa.inspect(connection).get_table_names()) <= {warehouses.VERSION_TABLE}
    with pytest.raises(EtlError, match="run `etl migrate`"), warehouses.transaction(warehouse):
        pass
    assert warehouses.migrate(warehouse) == ["0001"]


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
    assert list(tmp_path.iterdir()) == []


def test_migrating_makes_the_folder(tmp_path: Path) -> None:
    url = sa.URL.create("sqlite", database=str(tmp_path / "new" / "folder" / "w.sqlite"))
    assert warehouses.migrate(url) == ["0001"]


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("these are not the tables you are looking for" * 100)
    with pytest.raises(EtlError, match=r"notes\.txt refused: file is not a database"):
        warehouses.migrate(sa.URL.create("sqlite", database=str(file)))


def test_a_waiting_lock_gives_up_with_a_message(warehouse: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouses, "LOCK_WAIT_SECONDS", 1)
    with (
        warehouses.transaction(warehouse, exclusive="load-events"),
        pytest.raises(EtlError, match=r"another load-events|locked|lock timeout"),
        warehouses.transaction(warehouse, exclusive="load-events"),
    ):
        pass
