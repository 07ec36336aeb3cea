"""Years of statistics in a warehouse on MySQL, which makes most of them by itself."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial

import sqlalchemy as sa
from etl import organization_health, tables
from etl.statistics import STATISTICS

LAST = date(2017, 12, 31)
# These days are made up; those before them are the same ones again, four weeks and more older.
MADE_UP = timedelta(days=28)
# Of ten organizations that could have a statistic, so many have it on a day.
HAVE_ONE = 8
AT_ONCE = 100
NAMES = ("Acme", "Juniper", "Northwind", "Umbrella", "Initech", "naïve", "Globex")


def fill(url: sa.URL, organizations: int, days: int, *, threads: int = 2) -> None:
    """Fill an empty, migrated warehouse.

    Args:
        url: the warehouse, on MySQL.
        organizations: how many.
        days: how many days up to the last one, ``LAST``.
        threads: how many connections write at once.
    """
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="READ COMMITTED")
    first = LAST - timedelta(days=days - 1)
    made_up = _between(max(first, LAST - MADE_UP + timedelta(days=1)), LAST)
    (by_day,) = tables.organization_statistic.indexes
    groups = [range(start, start + AT_ONCE) for start in range(1, organizations + 1, AT_ONCE)]
    with engine.begin() as connection:
        _organizations(connection, organizations)
        _days(connection, first)
        by_day.drop(connection)
    with ThreadPoolExecutor(threads) as pool:
        # Whatever failed is raised.
        list(pool.map(partial(_made_up, engine, made_up), groups))
        list(pool.map(partial(_older, engine, first), groups))
    with engine.begin() as connection:
        by_day.create(connection)
        connection.exec_driver_sql("ANALYZE TABLE organization_statistic")
        _totals(connection)
        for day in made_up:
            organization_health.keep(connection, day)
        for shift in _shifts(first):
            _again(connection, "organization_health", "organization_id, reason_count, reasons", shift, first)
        connection.exec_driver_sql("ANALYZE TABLE organization_health")


def _between(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _shifts(first: date) -> Iterable[int]:
    """Return by how many days the made-up ones are older in each of their copies."""
    return range(MADE_UP.days, (LAST - first).days + 1, MADE_UP.days)


def _organizations(connection: sa.Connection, number: int) -> None:
    name = "CONCAT(ELT(1 + MOD(n, {}), {}), ' ', CONV(CRC32(n), 10, 36), ' ', n)".format(
        len(NAMES), ", ".join(f"'{name}'" for name in NAMES)
    )
    connection.exec_driver_sql("SET SESSION cte_max_recursion_depth = 1000000")
    connection.exec_driver_sql(
        "INSERT INTO organization (organization_id, organization_name) "
        f"WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {number}) "
        f"SELECT n, {name} FROM numbers"
    )


def _days(connection: sa.Connection, first: date) -> None:
    """Write what is kept of each day's load."""
    for day in _between(first, LAST):
        done = f"{day + timedelta(days=1)} 02:00:00"
        connection.execute(
            sa.insert(tables.day_load).values((day, done, 1000, 700, 3, 2, 100_000, 1.5, done))
        )
        for name in tables.event_tables:
            connection.execute(sa.insert(tables.day_load_rows).values((day, name, 100 + day.day)))
        for number in range(3):
            line = (day, number, f"events/{day}.json", number, "f" * 32, "ERROR")
            connection.execute(sa.insert(tables.malformed_line).values(line))


def _made_up(engine: sa.Engine, made_up: list[date], organizations: range) -> None:
    """Make up the statistics of the newest days: small and large organizations, in better and worse weeks."""
    draw = "CRC32(CONCAT(organization_id, '/', day, '/', statistic))"
    size = "(1 + MOD(organization_id, 50))"
    value = (
        "CASE statistic "
        f"WHEN 'amount_paid_past_month' THEN 10 * {size} + MOD({draw}, 10000) / 100 "
        f"WHEN 'num_support_tickets_past_month' THEN 1 + MOD({draw}, 20) "
        f"ELSE 2 * {size} + MOD({draw}, 2000) / 100 END"
    )
    has_paid = "MOD(CRC32(CONCAT(organization_id, MONTH(day))), 4) > 0"
    names = " UNION ALL ".join(f"SELECT '{each.name}' AS statistic" for each in STATISTICS)
    days = " UNION ALL ".join(f"SELECT DATE '{day}' AS day" for day in made_up)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO organization_statistic SELECT organization_id, day, statistic, ROUND({value}, 2) "
            f"FROM organization JOIN ({days}) AS days JOIN ({names}) AS names "
            f"WHERE organization_id BETWEEN {organizations[0]} AND {organizations[-1]} "
            f"AND MOD(CRC32(CONCAT(organization_id, statistic)), 10) < {HAVE_ONE} "
            f"AND (statistic <> 'amount_paid_past_month' OR {has_paid}) ORDER BY 1, 2, 3"
        )


def _older(engine: sa.Engine, first: date, organizations: range) -> None:
    """Write the statistics of older days, in the order of their keys."""
    shifts = " UNION ALL ".join(f"SELECT {shift} AS shift" for shift in _shifts(first))
    if not shifts:
        return
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO organization_statistic "
            "SELECT organization_id, day - INTERVAL shift DAY, statistic, value "
            f"FROM organization_statistic JOIN ({shifts}) AS shifts "
            f"WHERE organization_id BETWEEN {organizations[0]} AND {organizations[-1]} "
            f"AND day > '{LAST - MADE_UP}' AND day - INTERVAL shift DAY >= '{first}' ORDER BY 1, 2, 3"
        )


def _again(connection: sa.Connection, table: str, columns: str, shift: int, first: date) -> None:
    connection.exec_driver_sql(
        f"INSERT INTO {table} (day, {columns}) SELECT day - INTERVAL {shift} DAY, {columns} FROM {table} "
        f"WHERE day > '{LAST - MADE_UP}' AND day - INTERVAL {shift} DAY >= '{first}'"
    )


def _totals(connection: sa.Connection) -> None:
    connection.exec_driver_sql(
        "INSERT INTO organization_statistic_total (day, statistic, organizations, value) "
        "SELECT day, statistic, COUNT(*), SUM(value) FROM organization_statistic GROUP BY day, statistic"
    )
