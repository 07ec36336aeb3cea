"""The organization statistics job: what the loaded events say of each organization on a run date."""

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from time import monotonic
from typing import Any

import sqlalchemy as sa

from etl import warehouse
from etl.errors import EtlError
from etl.tables import (
    LARGEST_AMOUNT,
    day_load,
    organization,
    organization_event,
    organization_payment,
    organization_statistic,
    organization_statistic_total,
    organization_user,
    user_event,
)

LOGIN_EVENTS = ("web_login", "android_login", "ios_login")
MESSAGE_EVENT = "message_sent"
TICKET_EVENT = "file_support_ticket"
WEEK = timedelta(days=7)
AVERAGED_WEEKS = 10


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
            connection.execute(
                sa.update(day_load)
                .where(day_load.c.run_date == run_date)
                .values(statistics_at=datetime.now(UTC).replace(microsecond=0, tzinfo=None))
            )
    except EtlError as error:
        raise _overflow(run_date, url) or error from error.__cause__
    return StatsReport(run_date, written, of_organizations, round(monotonic() - started, 3))


def statistics_of(run_date: date) -> sa.CompoundSelect[tuple[int, str, Any]]:
    """Return the query for a day's statistics: organization_id, statistic, value.

    Args:
        run_date: the last day of the windows (UTC).
    """
    end = datetime.combine(run_date + timedelta(days=1), time())
    activity = _activity(end).cte("activity")
    weeks = sa.case(
        *((activity.c.first >= end - WEEK * n, n) for n in range(1, AVERAGED_WEEKS)), else_=AVERAGED_WEEKS
    )
    payment, event = organization_payment.c, organization_event.c
    month = datetime.combine(month_start(run_date), time())
    return sa.union_all(
        _statistic(activity.c.organization_id, activity.c.kind + "_past_week", activity.c.past_week).where(
            activity.c.past_week > 0
        ),
        _statistic(
            activity.c.organization_id,
            sa.literal("average_weekly_") + activity.c.kind,
            sa.func.round(sa.cast(activity.c.total, sa.Numeric(15, 4)) / weeks, 2),
        ),
        _statistic(
            payment.organization_id,
            sa.literal("amount_paid_past_month"),
            sa.func.round(sa.func.sum(payment.payment_amount), 2),
        )
        .where(_listed(payment.organization_id), payment.timestamp >= month, payment.timestamp < end)
        .group_by(payment.organization_id),
        _statistic(event.organization_id, sa.literal("num_support_tickets_past_month"), sa.func.count())
        .where(
            _listed(event.organization_id),
            event.event == TICKET_EVENT,
            event.timestamp >= month,
            event.timestamp < end,
        )
        .group_by(event.organization_id),
    )


def month_start(run_date: date) -> date:
    """Return the first day of the month that ends with a run date: the day after the same day last month.

    Args:
        run_date: the last day; a day that last month doesn't have counts as its last one.
    """
    last_day_of_last_month = run_date.replace(day=1) - timedelta(days=1)
    days = monthrange(last_day_of_last_month.year, last_day_of_last_month.month)[1]
    return last_day_of_last_month.replace(day=min(run_date.day, days)) + timedelta(days=1)


def _activity(end: datetime) -> sa.Select[Any]:
    """Logins, and messages by network, of the past ten weeks, grouped by organization."""
    is_login = user_event.c.event.in_(LOGIN_EVENTS)
    is_message = sa.and_(user_event.c.event == MESSAGE_EVENT, user_event.c.social_network_type.is_not(None))
    kind = sa.case(
        (is_login, "logins"), else_=sa.func.lower(user_event.c.social_network_type) + "_messages_sent"
    ).label("kind")
    in_past_week = sa.case((user_event.c.timestamp >= end - WEEK, 1), else_=0)
    return (
        sa.select(
            organization_user.c.organization_id,
            kind,
            sa.func.sum(in_past_week).label("past_week"),
            sa.func.count().label("total"),
            sa.func.min(user_event.c.timestamp).label("first"),
        )
        .join(organization_user, organization_user.c.user_id == user_event.c.user_id)
        .where(
            user_event.c.timestamp >= end - WEEK * AVERAGED_WEEKS,
            user_event.c.timestamp < end,
            sa.or_(is_login, is_message),
            _listed(organization_user.c.organization_id),
        )
        .group_by(organization_user.c.organization_id, sa.text("kind"))
    )


def _statistic(
    organization_id: sa.ColumnElement[int], name: sa.ColumnElement[str], value: sa.ColumnElement[Any]
) -> sa.Select[tuple[int, str, Any]]:
    return sa.select(organization_id.label("organization_id"), name.label("statistic"), value.label("value"))


def _listed(organization_id: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    return organization_id.in_(sa.select(organization.c.organization_id))


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
    users = sa.select(organization_user.c.user_id).where(_listed(organization_user.c.organization_id))
    of_organizations = (
        sa.select(user_event.c.id).where(user_event.c.user_id.in_(users)),
        sa.select(organization_payment.c.id).where(_listed(organization_payment.c.organization_id)),
        sa.select(organization_event.c.id).where(_listed(organization_event.c.organization_id)),
    )
    of_anybody = (sa.select(table.c.id) for table in (user_event, organization_payment, organization_event))
    if _has_any(connection, of_anybody) and not _has_any(connection, of_organizations):
        raise EtlError(
            "no event in the warehouse belongs to any of its organizations or their members: "
            "check what `etl import-organizations` brought"
        )


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
