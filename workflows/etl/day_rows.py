"""The rows of one day in the event tables, beside those of other days that have the same ids.

An event table holds, of each id, what the newest of the days has that have it. What earlier days have of it
waits in the table's ``superseded_`` one, and comes back when the newer day no longer has it. So the tables
depend on what each day's objects were when it was last loaded, and not on the order of the loads.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from etl import warehouse
from etl.beside import Beside
from etl.tables import day_load, event_tables, superseded_by

# In one statement. With some thousands, MySQL would rather read the whole table.
IDS_AT_ONCE = 1_000
# The day of a row that the day being loaded had when it was loaded before. It is before every run date.
HAD_BEFORE = date(1000, 1, 1)


class DayRows:
    """Takes a day's rows in, in place of those that it had, while its caller goes on.

    Args:
        connection: an open transaction that no other load runs beside. Others may use it again when this is
            finished or left.
        run_date: the day.
    """

    def __init__(self, connection: sa.Connection, run_date: date) -> None:
        self.counts = dict.fromkeys((table.name for table in event_tables.values()), 0)
        self._connection = connection
        self._run_date = run_date
        self._beside = Beside()
        without_day = {table: sa.exists().where(table.c.run_date.is_(None)) for table in superseded_by}
        loaded_before = sa.exists().where(day_load.c.run_date == run_date)
        query = sa.select(loaded_before, *without_day.values())
        self.loaded_before, *found = connection.execute(query).one()
        self._with_unknown_days = [table for table, has in zip(without_day, found, strict=True) if has]
        if self.loaded_before:
            for table, superseded in superseded_by.items():
                of_day = sa.update(table).where(table.c.run_date == run_date)
                connection.execute(of_day.values(run_date=HAD_BEFORE))
                connection.execute(sa.delete(superseded).where(superseded.c.run_date == run_date))

    def __enter__(self) -> Self:
        self._beside.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beside.__exit__(kind, error, trace)

    def add(self, table: sa.Table, rows: Sequence[warehouse.Row]) -> None:
        """Take in rows; of an id that was taken in before, nothing changes.

        Args:
            table: the event table.
            rows: rows of different ids, in the order of the table's columns without its last, the run date.
        """
        day = self._run_date.isoformat()
        dated = [(*row, day) for row in rows]
        insert_new = warehouse.insertion(self._connection, table, dated)
        self._beside.do(partial(self._take_in, table, dated, insert_new))

    def finish(self) -> None:
        """Take out what the day had before and has no longer."""
        self._beside.wait()
        if self.loaded_before:
            for table in event_tables.values():
                self._remove_gone(table)

    def _take_in(
        self, table: sa.Table, dated: Sequence[warehouse.Row], insert_new: Callable[[], int]
    ) -> None:
        new = insert_new()
        self.counts[table.name] += new
        if new < len(dated):
            for some in _parts(dated):
                self._settle(table, some)
        for other in self._with_unknown_days:
            if other is not table:
                for some in _parts(dated):
                    # It is the same event, which an older version took for another kind.
                    self._connection.execute(
                        sa.delete(other).where(other.c.run_date.is_(None), other.c.id.in_(_ids(some)))
                    )

    def _settle(self, table: sa.Table, rows: Sequence[warehouse.Row]) -> None:
        """Decide between these rows and those with their ids of which the table has other days."""
        other_day = sa.or_(table.c.run_date.is_(None), table.c.run_date != self._run_date)
        query = sa.select(table.c.id, table.c.run_date).where(table.c.id.in_(_ids(rows)), other_day)
        standing = {row.id: row.run_date for row in self._connection.execute(query)}
        later = {id_ for id_, day in standing.items() if day and day > self._run_date}
        earlier = [id_ for id_, day in standing.items() if day and HAD_BEFORE < day < self._run_date]
        if earlier:
            self._copy(sa.select(table).where(table.c.id.in_(earlier)), superseded_by[table])
        newest = [row for row in rows if row[0] in standing and row[0] not in later]
        warehouse.upsert(self._connection, table, newest)
        behind = [row for row in rows if row[0] in later]
        new_behind = warehouse.insert_new(self._connection, superseded_by[table], behind)
        self.counts[table.name] += len(newest) + new_behind

    def _remove_gone(self, table: sa.Table) -> None:
        superseded = superseded_by[table]
        gone = sa.select(table.c.id).where(table.c.run_date == HAD_BEFORE).limit(IDS_AT_ONCE)
        also = superseded.alias()
        newest = sa.select(sa.func.max(also.c.run_date)).where(also.c.id == superseded.c.id).scalar_subquery()
        while ids := self._connection.scalars(gone).all():
            self._connection.execute(sa.delete(table).where(table.c.id.in_(ids)))
            of_gone = superseded.c.id.in_(ids)
            self._copy(sa.select(superseded).where(of_gone, superseded.c.run_date == newest), table)
            is_back = sa.exists().where(
                table.c.id == superseded.c.id, table.c.run_date == superseded.c.run_date
            )
            self._connection.execute(sa.delete(superseded).where(of_gone, is_back))

    def _copy(self, rows: sa.Select[Any], to: sa.Table) -> None:
        self._connection.execute(sa.insert(to).from_select([column.name for column in to.columns], rows))


def _ids(rows: Sequence[warehouse.Row]) -> list[str]:
    return [row[0] for row in rows]


def _parts(rows: Sequence[warehouse.Row]) -> Iterator[Sequence[warehouse.Row]]:
    return (rows[start : start + IDS_AT_ONCE] for start in range(0, len(rows), IDS_AT_ONCE))
