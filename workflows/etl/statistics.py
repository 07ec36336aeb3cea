"""The statistics of organizations, each in one place: what it counts, and what people call it."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from etl.event_classes import SOCIAL_NETWORKS
from etl.tables import event_tables, organization, organization_user

user_event = event_tables["user_event"]
organization_payment = event_tables["organization_payment"]
organization_event = event_tables["organization_event"]

WEEK = timedelta(days=7)
AVERAGED_WEEKS = 10


@dataclass(frozen=True)
class Statistic:
    """A statistic, as the table `organization_statistic` and people call it.

    Attributes:
        name: in the table.
        title: what is counted or summed up.
        period: over which time.
        decimals: how many are shown.
        part_of: the title of the sum over several statistics that short tables show in their place.
    """

    name: str
    title: str
    period: str
    decimals: int = 0
    part_of: str | None = None


@dataclass(frozen=True)
class Weekly:
    """Events of an organization's users, counted in the past week and on average over ten weeks.

    Attributes:
        kind: what the names of both statistics have in common.
        title: as in `Statistic`.
        condition: which rows of `user_event` count.
        part_of: as in `Statistic`.
    """

    kind: str
    title: str
    condition: sa.ColumnElement[bool]
    part_of: str | None = None

    @property
    def statistics(self) -> tuple[Statistic, Statistic]:
        """Both of them."""
        count, average = f"{self.kind}_past_week", f"average_weekly_{self.kind}"
        return (
            Statistic(count, self.title, "past week", part_of=self.part_of),
            Statistic(average, self.title, "a week on average", decimals=2, part_of=self.part_of),
        )


@dataclass(frozen=True)
class Monthly:
    """What is counted or summed up over a month.

    Attributes:
        statistic: what it is called.
        table: of events that have an `organization_id`, or a `user_id` whose organizations count.
        value: what is computed of the rows.
        condition: which rows count; by default all.
    """

    statistic: Statistic
    table: sa.Table
    value: sa.ColumnElement[Any]
    condition: sa.ColumnElement[bool] | None = None


WEEKLY = (
    Weekly("logins", "logins", user_event.c.event.in_(("web_login", "android_login", "ios_login"))),
    *(
        Weekly(
            f"{network.lower()}_messages_sent",
            f"{network} messages",
            sa.and_(user_event.c.event == "message_sent", user_event.c.social_network_type == network),
            part_of="messages",
        )
        for network in SOCIAL_NETWORKS
    ),
)
MONTHLY = (
    Monthly(
        Statistic("amount_paid_past_month", "paid", "past month", decimals=2),
        organization_payment,
        sa.func.round(sa.func.sum(organization_payment.c.payment_amount), 2),
    ),
    Monthly(
        Statistic("num_support_tickets_past_month", "tickets", "past month"),
        organization_event,
        sa.func.count(),
        organization_event.c.event == "file_support_ticket",
    ),
)
# All that there are, in the order in which people see them.
STATISTICS: tuple[Statistic, ...] = (
    *(statistic for weekly in WEEKLY for statistic in weekly.statistics),
    *(monthly.statistic for monthly in MONTHLY),
)


def statistics_of(run_date: date) -> sa.Select[tuple[int, str, Any]]:
    """Return the query for a day's statistics: organization_id, statistic, value.

    Args:
        run_date: the last day of the windows (UTC).
    """
    end = datetime.combine(run_date + timedelta(days=1), time())
    activity = _activity(end).cte("activity")
    weeks = sa.case(
        *((activity.c.first >= end - WEEK * n, n) for n in range(1, AVERAGED_WEEKS)), else_=AVERAGED_WEEKS
    )
    month = datetime.combine(month_start(run_date), time())
    of_all = sa.union_all(
        _statistic(activity.c.organization_id, activity.c.kind + "_past_week", activity.c.past_week).where(
            activity.c.past_week > 0
        ),
        _statistic(
            activity.c.organization_id,
            sa.literal("average_weekly_") + activity.c.kind,
            sa.func.round(sa.cast(activity.c.total, sa.Numeric(15, 4)) / weeks, 2),
        ),
        *(_of_month(monthly, month, end) for monthly in MONTHLY),
    ).subquery()
    # Asked first which organizations there are, MySQL would look up all that each of them ever did.
    return sa.select(of_all).where(listed(of_all.c.organization_id))


def month_start(run_date: date) -> date:
    """Return the first day of the month that ends with a run date: the day after the same day last month.

    Args:
        run_date: the last day; a day that last month doesn't have counts as its last one.
    """
    last_day_of_last_month = run_date.replace(day=1) - timedelta(days=1)
    days = monthrange(last_day_of_last_month.year, last_day_of_last_month.month)[1]
    return last_day_of_last_month.replace(day=min(run_date.day, days)) + timedelta(days=1)


def _activity(end: datetime) -> sa.Select[Any]:
    """Weekly events of the past ten weeks, grouped by organization and kind."""
    kind = sa.case(*((weekly.condition, weekly.kind) for weekly in WEEKLY)).label("kind")
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
            sa.or_(*(weekly.condition for weekly in WEEKLY)),
        )
        .group_by(organization_user.c.organization_id, sa.text("kind"))
    )


def _of_month(monthly: Monthly, start: datetime, end: datetime) -> sa.Select[tuple[int, str, Any]]:
    events = monthly.table
    is_own = "organization_id" in events.c
    organization_id = events.c.organization_id if is_own else organization_user.c.organization_id
    query = _statistic(organization_id, sa.literal(monthly.statistic.name), monthly.value)
    if not is_own:
        query = query.join_from(events, organization_user, organization_user.c.user_id == events.c.user_id)
    if monthly.condition is not None:
        query = query.where(monthly.condition)
    in_month = sa.and_(events.c.timestamp >= start, events.c.timestamp < end)
    return query.where(in_month).group_by(organization_id)


def _statistic(
    organization_id: sa.ColumnElement[int], name: sa.ColumnElement[str], value: sa.ColumnElement[Any]
) -> sa.Select[tuple[int, str, Any]]:
    return sa.select(organization_id.label("organization_id"), name.label("statistic"), value.label("value"))


def listed(organization_id: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Return the condition that an organization is one of those that there are.

    Args:
        organization_id: the column that names it.
    """
    return organization_id.in_(sa.select(organization.c.organization_id))
