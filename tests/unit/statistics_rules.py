"""What the statistics of a day are, said as plainly as they can be.

The tests hold the statistics job against this page, so the two share no code.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

LOGINS = ("web_login", "android_login", "ios_login")
NETWORKS = ("Twitter", "Facebook", "Instagram", "LinkedIn")
WEEK = timedelta(days=7)
LARGEST_VALUE = Decimal("999999999.99")


class UserEvent(NamedTuple):
    timestamp: datetime
    user_id: int
    event: str
    social_network_type: str | None = None


class OrganizationPayment(NamedTuple):
    timestamp: datetime
    organization_id: int
    payment_amount: Decimal
    event: str = "payment"


class OrganizationEvent(NamedTuple):
    timestamp: datetime
    organization_id: int
    event: str


@dataclass
class Contents:
    """What the job reads."""

    organizations: set[int] = field(default_factory=set)
    # Pairs of an organization and a user.
    members: set[tuple[int, int]] = field(default_factory=set)
    events: list[UserEvent | OrganizationPayment | OrganizationEvent] = field(default_factory=list)


# The value of each organization's each statistic.
Statistics = dict[tuple[int, str], Decimal]


def statistics(run_date: date, contents: Contents) -> Statistics:
    """Return the statistics of a day, be they too large for their column or not."""
    return {
        (organization, statistic): value.quantize(Decimal("0.01"), ROUND_HALF_UP)
        for organization in contents.organizations
        for statistic, value in statistics_of(organization, run_date, contents)
    }


def counts_at_all(contents: Contents) -> bool:
    """Say whether any event, however old, belongs to an organization, or there is none."""
    return (bool(contents.organizations) and not contents.events) or any(
        (organization, event.user_id) in contents.members
        if isinstance(event, UserEvent)
        else event.organization_id == organization
        for event in contents.events
        for organization in contents.organizations
    )


def too_large(statistics: Statistics) -> set[tuple[int, str]]:
    """Return what does not fit decimal(11,2); with any such value nothing of the day is written."""
    return {key for key, value in statistics.items() if abs(value) > LARGEST_VALUE}


def statistics_of(organization: int, run_date: date, contents: Contents) -> Iterator[tuple[str, Decimal]]:
    end = midnight(run_date + timedelta(days=1))
    month_start = midnight(same_day_last_month(run_date) + timedelta(days=1))

    of_users = [
        event
        for event in contents.events
        if isinstance(event, UserEvent) and (organization, event.user_id) in contents.members
    ]
    logins = [event.timestamp for event in of_users if event.event in LOGINS]
    yield from weekly("logins_past_week", "average_weekly_logins", logins, end)
    for network in NETWORKS:
        count = f"{network.lower()}_messages_sent_past_week"
        average = f"average_weekly_{network.lower()}_messages_sent"
        messages = [
            event.timestamp
            for event in of_users
            if event.event == "message_sent" and event.social_network_type == network
        ]
        yield from weekly(count, average, messages, end)

    amounts = [
        event.payment_amount
        for event in contents.events
        if isinstance(event, OrganizationPayment)
        and event.organization_id == organization
        and month_start <= event.timestamp < end
    ]
    if amounts:
        yield "amount_paid_past_month", sum(amounts, Decimal(0))
    tickets = [
        event
        for event in contents.events
        if isinstance(event, OrganizationEvent)
        and event.organization_id == organization
        and event.event == "file_support_ticket"
        and month_start <= event.timestamp < end
    ]
    if tickets:
        yield "num_support_tickets_past_month", Decimal(len(tickets))


def weekly(count: str, average: str, times: list[datetime], end: datetime) -> Iterator[tuple[str, Decimal]]:
    """Yield a group's count of the past week and its average of ten; nothing comes of nothing."""
    of_week = [moment for moment in times if end - 1 * WEEK <= moment < end]
    if of_week:
        yield count, Decimal(len(of_week))
    of_ten_weeks = [moment for moment in times if end - 10 * WEEK <= moment < end]
    if of_ten_weeks:
        yield average, Decimal(len(of_ten_weeks)) / weeks_between(min(of_ten_weeks), end)


def weeks_between(first: datetime, end: datetime) -> int:
    """Count the weeks that have begun, ten at most."""
    weeks = 0
    while first + weeks * WEEK < end:
        weeks += 1
    return min(weeks, 10)


def same_day_last_month(day: date) -> date:
    last_day = day.replace(day=1) - timedelta(days=1)
    return last_day.replace(day=min(day.day, last_day.day))


def midnight(day: date) -> datetime:
    return datetime.combine(day, time())
