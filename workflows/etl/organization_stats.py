"""The organization statistics job: what the loaded events say of each organization on a run date."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from time import monotonic
from typing import Any

import sqlalchemy as sa

from etl import organization_health, warehouse
from etl.errors import EtlError
from etl.statistics import listed, statistics_of
from etl.tables import (
    LARGEST_AMOUNT,
    day_load,
    event_tables,
    organization,
    organization_statistic,
    organization_statistic_total,
    organization_user,
)


@dataclass(frozen=True)
class StatsReport:
    """What one run of the job wrote."""

    run_date: date
    statistics: int
    organizations: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        return asdict(self) | {"run_date": self.run_date.isoformat()}


def organization_stats(run_date: date, url: sa.URL) -> StatsReport:
    """Compute a day's statistics, in place of those it had.

    Args:
        run_date: the last day of the windows (UTC).
        url: the warehouse.

    Raises:
        EtlError: the warehouse fails, it has no organizations or none that any of its events belongs to, or
            a value does not fit its column; the day is left as it was. A day without events is fine.
    """
    started = monotonic()
    of_day = organization_statistic.c.day == run_date
    try:
        with warehouse.transaction(url, exclusive="organization-stats") as connection:
            connection.execute(sa.delete(organization_statistic).where(of_day))
            statistics = statistics_of(run_date).subquery()
            connection.execute(
                sa.insert(organization_statistic).from_select(
                    ["organization_id", "day", "statistic", "value"],
                    sa.select(
                        statistics.c.organization_id,
                        sa.literal(run_date, sa.Date).label("day"),
                        statistics.c.statistic,
                        statistics.c.value,
                    ),
                )
            )
            organizations = organization_statistic.c.organization_id.distinct()
            written, of_organizations = connection.execute(
                sa.select(sa.func.count(), sa.func.count(organizations)).where(of_day)
            ).one()
            if not written:
                _expect_organizations(connection)
            _add_up(connection, run_date)
            organization_health.keep(connection, run_date)
            connection.execute(
                sa.update(day_load)
                .where(day_load.c.run_date == run_date)
                .values(statistics_at=datetime.now(UTC).replace(microsecond=0, tzinfo=None))
            )
    except EtlError as error:
        raise _overflow(run_date, url) or error from error.__cause__
    return StatsReport(run_date, written, of_organizations, round(monotonic() - started, 3))


def _add_up(connection: sa.Connection, run_date: date) -> None:
    """Keep a day's totals, in place of those it had: adding up months takes too long for a page."""
    of_day, total = organization_statistic.c, organization_statistic_total
    connection.execute(sa.delete(total).where(total.c.day == run_date))
    connection.execute(
        sa.insert(total).from_select(
            ["day", "statistic", "organizations", "value"],
            sa.select(of_day.day, of_day.statistic, sa.func.count(), sa.func.sum(of_day.value))
            .where(of_day.day == run_date)
            .group_by(of_day.day, of_day.statistic),
        )
    )


def _expect_organizations(connection: sa.Connection) -> None:
    """Refuse organizations that are missing, or have nothing to do with the events that there are."""
    if connection.execute(sa.select(organization.c.organization_id).limit(1)).first() is None:
        raise EtlError("there are no organizations in the warehouse: run `etl import-organizations`")
    users = sa.select(organization_user.c.user_id).where(listed(organization_user.c.organization_id))
    of_organizations = [
        *(sa.select(table.c.id).where(table.c.user_id.in_(users)) for table in _with_column("user_id")),
        *(
            sa.select(table.c.id).where(listed(table.c.organization_id))
            for table in _with_column("organization_id")
        ),
    ]
    of_anybody = [
        sa.select(table.c.id) for name in ("user_id", "organization_id") for table in _with_column(name)
    ]
    if _has_any(connection, of_anybody) and not _has_any(connection, of_organizations):
        raise EtlError(
            "no event in the warehouse belongs to any of its organizations or their members: "
            "check what `etl import-organizations` brought"
        )


def _with_column(name: str) -> list[sa.Table]:
    return [table for table in event_tables.values() if name in table.c]


def _has_any(connection: sa.Connection, queries: Iterable[sa.Select[Any]]) -> bool:
    return any(connection.execute(query.limit(1)).first() is not None for query in queries)


def _overflow(run_date: date, url: sa.URL) -> EtlError | None:
    """Find the value that its column refused, if that is what went wrong."""
    query = statistics_of(run_date).subquery()
    too_large = sa.func.abs(query.c.value) > LARGEST_AMOUNT
    try:
        with warehouse.transaction(url) as connection:
            found = connection.execute(sa.select(query).where(too_large)).first()
    except EtlError:
        return None
    if found is None:
        return None
    return EtlError(
        f"{found.statistic} of organization {found.organization_id} on {run_date} is {found.value}, "
        f"which does not fit its column; nothing was written for the day"
    )
