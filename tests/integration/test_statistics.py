"""The statistics job: each rule and edge by name, then random days against the plain statement."""

import random
import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from etl import tables
from etl.config import EARLIEST_RUN_DATE, LATEST_RUN_DATE
from etl.errors import EtlError
from etl.organization_stats import organization_stats

from tests.unit import statistics_rules as rules
from tests.unit.statistics_rules import Contents, OrganizationEvent, OrganizationPayment, UserEvent

DAY = date(2016, 5, 10)
# The windows of that day.
END = datetime(2016, 5, 11)  # noqa: DTZ001 - the warehouse's times are UTC without saying so
PAST_WEEK = END - timedelta(days=7)
PAST_TEN_WEEKS = END - timedelta(days=70)
SECOND = timedelta(seconds=1)
NOON = END - timedelta(hours=12)

EVENT_TABLES = {
    UserEvent: tables.user_event,
    OrganizationPayment: tables.organization_payment,
    OrganizationEvent: tables.organization_event,
}
AnyEvent = UserEvent | OrganizationPayment | OrganizationEvent


def login(at: datetime, user: int = 10, event: str = "web_login") -> UserEvent:
    return UserEvent(at, user, event)


def message(at: datetime, network: str | None = "Twitter", user: int = 10) -> UserEvent:
    return UserEvent(at, user, "message_sent", network)


def payment(at: datetime, amount: str, organization: int = 1) -> OrganizationPayment:
    return OrganizationPayment(at, organization, Decimal(amount))


def ticket(at: datetime, organization: int = 1) -> OrganizationEvent:
    return OrganizationEvent(at, organization, "file_support_ticket")


def of_two_organizations(*events: AnyEvent) -> Contents:
    """Return a warehouse with organizations 1 and 2, whose users are 10 and 20."""
    return Contents({1, 2}, {(1, 10), (2, 20)}, list(events))


def replace_contents(warehouse: sa.URL, contents: Contents) -> None:
    """Fill the warehouse with these contents and no others, but leave the statistics as they are."""
    engine = sa.create_engine(warehouse)
    with engine.begin() as connection:
        for table in (tables.organization_user, tables.organization, *EVENT_TABLES.values()):
            connection.execute(sa.delete(table))
        insert(
            connection,
            tables.organization,
            [{"organization_id": id_, "organization_name": f"No. {id_}"} for id_ in contents.organizations],
        )
        insert(
            connection,
            tables.organization_user,
            [{"organization_id": id_, "user_id": user} for id_, user in contents.members],
        )
        for kind, table in EVENT_TABLES.items():
            rows = [
                {"id": f"e-{number}", **event._asdict()}
                for number, event in enumerate(contents.events)
                if isinstance(event, kind)
            ]
            if kind is OrganizationPayment:
                rows = [{**row, "payment_processor": "Chase"} for row in rows]
            insert(connection, table, rows)
    engine.dispose()


def insert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(sa.insert(table), rows)


def written(warehouse: sa.URL) -> dict[date, rules.Statistics]:
    """Return what stands in the table of statistics."""
    engine = sa.create_engine(warehouse)
    days: dict[date, rules.Statistics] = {}
    with engine.begin() as connection:
        for row in connection.execute(sa.select(tables.organization_statistic)):
            value = Decimal(str(row.value))
            assert value == value.quantize(Decimal("0.01"))
            days.setdefault(row.day, {})[row.organization_id, row.statistic] = value
    engine.dispose()
    return days


def run(warehouse: sa.URL, contents: Contents, run_date: date = DAY) -> dict[tuple[int, str], str]:
    """Run the job over these contents, check it against the plain statement, and return a day's values."""
    replace_contents(warehouse, contents)
    organization_stats(run_date, warehouse)
    statistics = written(warehouse).get(run_date, {})
    assert statistics == rules.statistics(run_date, contents)
    return {key: f"{value:.2f}" for key, value in statistics.items()}


def named(statistics: dict[tuple[int, str], str], organization: int = 1) -> dict[str, str]:
    """Return the statistics of one organization, and check that there are no others."""
    assert {id_ for id_, _ in statistics} <= {organization}
    return {statistic: value for (_, statistic), value in statistics.items()}


# What is counted


def test_all_the_statistics_of_an_organization(warehouse: sa.URL) -> None:
    assert named(
        run(
            warehouse,
            of_two_organizations(
                login(NOON, event="web_login"),
                login(NOON, event="android_login"),
                login(NOON, event="ios_login"),
                message(NOON, "Twitter"),
                message(NOON, "Facebook"),
                message(NOON, "Facebook"),
                message(NOON, "Instagram"),
                message(NOON, "LinkedIn"),
                payment(NOON, "12.50"),
                payment(NOON, "0.10"),
                ticket(NOON),
                ticket(NOON),
            ),
        )
    ) == {
        "logins_past_week": "3.00",
        "average_weekly_logins": "3.00",
        "twitter_messages_sent_past_week": "1.00",
        "average_weekly_twitter_messages_sent": "1.00",
        "facebook_messages_sent_past_week": "2.00",
        "average_weekly_facebook_messages_sent": "2.00",
        "instagram_messages_sent_past_week": "1.00",
        "average_weekly_instagram_messages_sent": "1.00",
        "linkedin_messages_sent_past_week": "1.00",
        "average_weekly_linkedin_messages_sent": "1.00",
        "amount_paid_past_month": "12.60",
        "num_support_tickets_past_month": "2.00",
    }


def test_without_organizations_the_job_says_what_brings_them(warehouse: sa.URL) -> None:
    with pytest.raises(EtlError, match="no organizations in the warehouse: run `etl import-organizations`"):
        run(warehouse, Contents(events=[login(NOON)]))


@pytest.mark.parametrize(
    "contents",
    [
        # Users who aren't listed, not even one whose id is an organization's.
        of_two_organizations(login(NOON, 99), message(NOON, user=99), login(NOON, 1)),
        Contents(
            {1},
            {(1, 10), (3, 30)},
            [login(NOON, 30), payment(NOON, "5.00", 3), ticket(NOON, 3), ticket(NOON, 10)],
        ),
    ],
)
def test_events_of_nobody_listed_are_an_error_and_not_nothing(warehouse: sa.URL, contents: Contents) -> None:
    run(warehouse, of_two_organizations(login(NOON)))
    before = written(warehouse)
    with pytest.raises(EtlError, match="no event in the warehouse belongs to any of its organizations"):
        run(warehouse, contents)
    assert written(warehouse) == before


def test_a_quiet_day_has_no_statistics_and_is_fine(warehouse: sa.URL) -> None:
    assert run(warehouse, of_two_organizations(login(NOON - timedelta(days=100)))) == {}
    assert run(warehouse, of_two_organizations(ticket(NOON - timedelta(days=100)))) == {}
    # Nor is it an error where there are no events at all: what a day had must be able to go.
    assert run(warehouse, of_two_organizations(login(NOON))) != {}
    assert run(warehouse, of_two_organizations()) == {}


def test_an_organization_without_events_has_no_row(warehouse: sa.URL) -> None:
    assert named(run(warehouse, of_two_organizations(ticket(NOON)))) == {
        "num_support_tickets_past_month": "1.00"
    }


def test_a_group_without_events_of_this_week_has_only_its_average(warehouse: sa.URL) -> None:
    before = PAST_WEEK - SECOND
    assert named(run(warehouse, of_two_organizations(login(before), message(before, "LinkedIn")))) == {
        "average_weekly_logins": "0.50",
        "average_weekly_linkedin_messages_sent": "0.50",
    }


@pytest.mark.parametrize(
    "name",
    [
        "logout",
        "login",
        "Web_Login",
        "WEB_LOGIN",
        "web_login ",
        " web_login",
        "wéb_login",
        "web-login",
        "webxlogin",
    ],
)
def test_only_the_three_kinds_of_login_count(warehouse: sa.URL, name: str) -> None:
    assert run(warehouse, of_two_organizations(login(NOON, event=name))) == {}


@pytest.mark.parametrize("name", ["Message_Sent", "message_sent ", "message_read", "méssage_sent"])
def test_only_messages_sent_count(warehouse: sa.URL, name: str) -> None:
    assert run(warehouse, of_two_organizations(UserEvent(NOON, 10, name, "Twitter"))) == {}


def test_a_message_without_a_network_counts_nowhere(warehouse: sa.URL) -> None:
    contents = of_two_organizations(message(NOON, None), message(NOON, "Instagram"))
    assert named(run(warehouse, contents)) == {
        "instagram_messages_sent_past_week": "1.00",
        "average_weekly_instagram_messages_sent": "1.00",
    }


def test_a_login_counts_whatever_network_it_names(warehouse: sa.URL) -> None:
    contents = of_two_organizations(UserEvent(NOON, 10, "ios_login", "Facebook"), login(NOON))
    assert named(run(warehouse, contents)) == {"logins_past_week": "2.00", "average_weekly_logins": "2.00"}


@pytest.mark.parametrize("name", ["File_Support_Ticket", "file_support_ticket ", "close_support_ticket"])
def test_only_tickets_that_are_filed_count(warehouse: sa.URL, name: str) -> None:
    assert run(warehouse, of_two_organizations(OrganizationEvent(NOON, 1, name))) == {}


def test_payments_count_whatever_they_are_called(warehouse: sa.URL) -> None:
    contents = of_two_organizations(
        OrganizationPayment(NOON, 1, Decimal("1.00"), "subscription"),
        OrganizationPayment(NOON, 1, Decimal("2.00"), "Payment "),
        # A payment of this name is no ticket, and neither is what a user does.
        OrganizationPayment(NOON, 1, Decimal("4.00"), "file_support_ticket"),
        UserEvent(NOON, 10, "file_support_ticket"),
    )
    assert named(run(warehouse, contents)) == {"amount_paid_past_month": "7.00"}


def test_what_an_organization_does_is_no_login_and_no_message(warehouse: sa.URL) -> None:
    contents = of_two_organizations(
        OrganizationEvent(NOON, 1, "web_login"),
        OrganizationEvent(NOON, 10, "web_login"),
        OrganizationEvent(NOON, 1, "message_sent"),
    )
    assert run(warehouse, contents) == {}


# Who counts


def test_the_users_of_an_organization_count_together(warehouse: sa.URL) -> None:
    contents = Contents(
        {1, 2}, {(1, 10), (1, 11), (2, 20)}, [login(NOON, 10), login(NOON, 11), login(NOON, 20)]
    )
    assert run(warehouse, contents) == {
        (1, "logins_past_week"): "2.00",
        (1, "average_weekly_logins"): "2.00",
        (2, "logins_past_week"): "1.00",
        (2, "average_weekly_logins"): "1.00",
    }


def test_a_user_in_two_organizations_counts_in_both(warehouse: sa.URL) -> None:
    contents = Contents({1, 2}, {(1, 10), (2, 10), (2, 20)}, [login(NOON, 10), message(NOON, user=10)])
    expected = {
        "logins_past_week": "1.00",
        "average_weekly_logins": "1.00",
        "twitter_messages_sent_past_week": "1.00",
        "average_weekly_twitter_messages_sent": "1.00",
    }
    assert run(warehouse, contents) == {
        (organization, statistic): value for organization in (1, 2) for statistic, value in expected.items()
    }


def test_users_who_are_not_listed_count_nowhere(warehouse: sa.URL) -> None:
    # Not even one whose id is an organization's.
    contents = of_two_organizations(login(NOON, 99), message(NOON, user=99), login(NOON, 1), ticket(NOON))
    assert named(run(warehouse, contents)) == {"num_support_tickets_past_month": "1.00"}


def test_organizations_that_are_not_listed_count_nowhere(warehouse: sa.URL) -> None:
    contents = Contents(
        {1},
        {(1, 10), (3, 30), (3, 10)},
        [
            login(NOON, 30),
            payment(NOON, "5.00", 3),
            ticket(NOON, 3),
            ticket(NOON, 10),
            ticket(NOON, 1),
        ],
    )
    assert named(run(warehouse, contents)) == {"num_support_tickets_past_month": "1.00"}


def test_an_organization_without_users_still_pays(warehouse: sa.URL) -> None:
    contents = Contents({7}, set(), [payment(NOON, "5.00", 7), ticket(NOON, 7), login(NOON, 7)])
    assert named(run(warehouse, contents), 7) == {
        "amount_paid_past_month": "5.00",
        "num_support_tickets_past_month": "1.00",
    }


@pytest.mark.parametrize("id_", [0, -1, -(2**31), 2**31 - 1])
def test_any_integer_is_an_id(warehouse: sa.URL, id_: int) -> None:
    contents = Contents({id_}, {(id_, id_)}, [login(NOON, id_), ticket(NOON, id_)])
    assert named(run(warehouse, contents), id_) == {
        "logins_past_week": "1.00",
        "average_weekly_logins": "1.00",
        "num_support_tickets_past_month": "1.00",
    }


# Windows


def test_a_week_starts_at_midnight_and_ends_before_the_next_day(warehouse: sa.URL) -> None:
    def logins(*times: datetime) -> str | None:
        return named(run(warehouse, of_two_organizations(*map(login, times)))).get("logins_past_week")

    assert logins(PAST_WEEK) == "1.00"
    assert logins(PAST_WEEK - SECOND) is None
    assert logins(END - SECOND) == "1.00"
    assert logins(END) is None
    assert logins(PAST_WEEK - SECOND, PAST_WEEK, END - SECOND, END) == "2.00"


def test_ten_weeks_start_at_midnight_and_end_before_the_next_day(warehouse: sa.URL) -> None:
    def average(*times: datetime) -> str | None:
        contents = of_two_organizations(*map(message, times))
        return named(run(warehouse, contents)).get("average_weekly_twitter_messages_sent")

    assert average(PAST_TEN_WEEKS) == "0.10"
    assert average(PAST_TEN_WEEKS - SECOND) is None
    assert average(END - SECOND) == "1.00"
    assert average(END) is None
    assert average(PAST_TEN_WEEKS - SECOND, PAST_TEN_WEEKS, END - SECOND, END) == "0.20"


@pytest.mark.parametrize(
    ("run_date", "start"),
    [
        ("2016-05-10", "2016-04-11"),
        ("2016-01-01", "2015-12-02"),
        ("2016-01-15", "2015-12-16"),
        ("2016-01-31", "2016-01-01"),
        ("2016-02-01", "2016-01-02"),
        ("2016-02-29", "2016-01-30"),
        ("2016-03-01", "2016-02-02"),
        ("2016-03-28", "2016-02-29"),
        # Last month's day is the end of February.
        ("2016-03-29", "2016-03-01"),
        ("2016-03-30", "2016-03-01"),
        ("2016-03-31", "2016-03-01"),
        ("2015-03-27", "2015-02-28"),
        ("2015-03-28", "2015-03-01"),
        ("2015-03-29", "2015-03-01"),
        ("2015-03-31", "2015-03-01"),
        ("2000-03-29", "2000-03-01"),
        ("2016-04-30", "2016-03-31"),
        ("2016-05-30", "2016-05-01"),
        ("2016-05-31", "2016-05-01"),
        ("2016-12-31", "2016-12-01"),
    ],
)
def test_a_month_starts_the_day_after_the_same_day_last_month(
    warehouse: sa.URL, run_date: str, start: str
) -> None:
    first = datetime.fromisoformat(start)
    end = datetime.fromisoformat(run_date) + timedelta(days=1)
    contents = of_two_organizations(
        payment(first - SECOND, "1.00"),
        payment(first, "10.00"),
        payment(end - SECOND, "100.00"),
        payment(end, "1000.00"),
        ticket(first - SECOND),
        ticket(first),
        ticket(end - SECOND),
        ticket(end),
        ticket(end),
    )
    assert named(run(warehouse, contents, date.fromisoformat(run_date))) == {
        "amount_paid_past_month": "110.00",
        "num_support_tickets_past_month": "2.00",
    }


@pytest.mark.parametrize("run_date", [EARLIEST_RUN_DATE, LATEST_RUN_DATE])
def test_the_first_and_the_last_run_date(warehouse: sa.URL, run_date: date) -> None:
    noon = datetime.combine(run_date, NOON.time())
    contents = of_two_organizations(login(noon), login(noon - timedelta(days=69)), ticket(noon))
    assert named(run(warehouse, contents, run_date)) == {
        "logins_past_week": "1.00",
        "average_weekly_logins": "0.20",
        "num_support_tickets_past_month": "1.00",
    }


# Averages


@pytest.mark.parametrize(
    ("before_end", "weeks"),
    [
        (SECOND, 1),
        (timedelta(days=1), 1),
        (timedelta(days=7) - SECOND, 1),
        (timedelta(days=7), 1),
        (timedelta(days=7) + SECOND, 2),
        (timedelta(days=14), 2),
        (timedelta(days=14) + SECOND, 3),
        (timedelta(days=63), 9),
        (timedelta(days=63) + SECOND, 10),
        (timedelta(days=70) - SECOND, 10),
        (timedelta(days=70), 10),
    ],
)
def test_a_week_that_has_begun_is_a_week(warehouse: sa.URL, before_end: timedelta, weeks: int) -> None:
    # As many logins as make a whole average of every number of weeks.
    times = [END - before_end] + [END - SECOND] * 2519
    statistics = named(run(warehouse, of_two_organizations(*map(login, times))))
    assert statistics["average_weekly_logins"] == f"{2520 // weeks}.00"


@pytest.mark.parametrize(
    ("logins", "weeks", "average"),
    [
        (1, 8, "0.13"),
        (3, 8, "0.38"),
        (5, 8, "0.63"),
        (7, 8, "0.88"),
        (17, 8, "2.13"),
        (1001, 8, "125.13"),
        (1, 3, "0.33"),
        (2, 3, "0.67"),
        (1, 6, "0.17"),
        (1, 7, "0.14"),
        (1, 9, "0.11"),
        (1, 10, "0.10"),
        (1, 4, "0.25"),
    ],
)
def test_an_average_is_rounded_half_away_from_zero(
    warehouse: sa.URL, logins: int, weeks: int, average: str
) -> None:
    times = [END - timedelta(days=7 * weeks)] + [END - SECOND] * (logins - 1)
    statistics = named(run(warehouse, of_two_organizations(*map(login, times))))
    assert statistics["average_weekly_logins"] == average


def test_the_first_login_is_the_first_within_the_window(warehouse: sa.URL) -> None:
    contents = of_two_organizations(login(PAST_TEN_WEEKS - SECOND), login(NOON), login(NOON))
    assert named(run(warehouse, contents))["average_weekly_logins"] == "2.00"


def test_the_weeks_of_logins_are_those_of_the_organization(warehouse: sa.URL) -> None:
    # One user and one kind of login began three weeks ago, the other one today.
    contents = Contents(
        {1, 2},
        {(1, 10), (1, 11), (2, 11)},
        [login(END - timedelta(days=20), 10, "ios_login"), *[login(NOON, 11)] * 5],
    )
    statistics = run(warehouse, contents)
    assert statistics[1, "average_weekly_logins"] == "2.00"
    assert statistics[2, "average_weekly_logins"] == "5.00"


def test_the_weeks_of_messages_are_those_of_the_organization_and_network(warehouse: sa.URL) -> None:
    contents = Contents(
        {1, 2},
        {(1, 10), (1, 11), (2, 11)},
        [
            message(END - timedelta(days=20), "Twitter", 10),
            *[message(NOON, "Twitter", 11)] * 5,
            *[message(NOON, "Facebook", 10)] * 5,
        ],
    )
    statistics = run(warehouse, contents)
    assert statistics[1, "average_weekly_twitter_messages_sent"] == "2.00"
    assert statistics[1, "average_weekly_facebook_messages_sent"] == "5.00"
    assert statistics[2, "average_weekly_twitter_messages_sent"] == "5.00"


def test_other_events_do_not_begin_the_weeks(warehouse: sa.URL) -> None:
    early = PAST_TEN_WEEKS
    contents = of_two_organizations(
        UserEvent(early, 10, "logout"),
        message(early, None),
        ticket(early),
        login(early, 20),
        login(NOON),
        message(NOON, "LinkedIn"),
    )
    statistics = run(warehouse, contents)
    assert statistics[1, "average_weekly_logins"] == "1.00"
    assert statistics[1, "average_weekly_linkedin_messages_sent"] == "1.00"


# Amounts


@pytest.mark.parametrize(
    ("amounts", "total"),
    [
        (["0.10"] * 3, "0.30"),
        (["0.01"] * 1000, "10.00"),
        (["5.00", "-7.50"], "-2.50"),
        (["0.00"], "0.00"),
        # Payments that cancel out are still payments.
        (["5.00", "-5.00"], "0.00"),
        (["0.10", "0.20", "-0.30"], "0.00"),
        (["999999999.99"], "999999999.99"),
        (["-999999999.99"], "-999999999.99"),
        (["999999999.98", "0.01"], "999999999.99"),
        (["99999999.99"] * 10 + ["0.01"] * 9 + ["0.00"], "999999999.99"),
        (["-333333333.33"] * 3, "-999999999.99"),
        (["999999999.89"] + ["0.01"] * 10, "999999999.99"),
        # Parts of the sum don't fit, but the sum does.
        (["999999999.99"] * 5 + ["-999999999.99"] * 5, "0.00"),
        (["-999999999.99"] * 5 + ["999999999.99"] * 6, "999999999.99"),
    ],
)
def test_amounts_are_added_to_the_cent(warehouse: sa.URL, amounts: list[str], total: str) -> None:
    contents = of_two_organizations(*(payment(NOON, amount) for amount in amounts))
    assert named(run(warehouse, contents)) == {"amount_paid_past_month": total}


TOO_MUCH = [
    ["999999999.99", "0.01"],
    ["-999999999.99", "-0.01"],
    ["999999999.99"] * 2,
    ["-999999999.99"] * 3,
    ["999999999.99"] * 1200,
]


def refuses(warehouse: sa.URL, organizations: Iterable[int], run_date: date = DAY) -> None:
    """Check that the job names one whose sum doesn't fit, and leaves the statistics as they are."""
    before = written(warehouse)
    with pytest.raises(EtlError) as refusal:
        organization_stats(run_date, warehouse)
    assert any(re.search(rf"\b{organization}\b", str(refusal.value)) for organization in organizations)
    assert "amount_paid_past_month" in str(refusal.value)
    assert written(warehouse) == before


@pytest.mark.parametrize(
    "amounts", TOO_MUCH, ids=["a cent", "minus a cent", "double", "minus triple", "many"]
)
def test_a_sum_that_does_not_fit_is_an_error_and_nothing_is_written(
    warehouse: sa.URL, amounts: list[str]
) -> None:
    contents = Contents(
        {1, 4711, 9999},
        {(1, 10), (4711, 20), (9999, 30)},
        [
            login(NOON, 10),
            login(NOON, 20),
            login(NOON, 30),
            payment(NOON, "5.00", 1),
            payment(NOON, "5.00", 9999),
            *(payment(NOON, amount, 4711) for amount in amounts),
        ],
    )
    replace_contents(warehouse, contents)
    refuses(warehouse, [4711])
    assert written(warehouse) == {}


def test_a_sum_that_no_longer_fits_leaves_the_day_as_it_was(warehouse: sa.URL) -> None:
    run(warehouse, of_two_organizations(payment(NOON, "999999999.99"), login(NOON), login(NOON, 20)))
    late = of_two_organizations(payment(NOON, "999999999.99"), payment(NOON, "0.01"), ticket(NOON, 2))
    replace_contents(warehouse, late)
    refuses(warehouse, [1])
    assert len(written(warehouse)[DAY]) == 5
    # And once the data are right, the day can be had.
    assert run(warehouse, of_two_organizations(ticket(NOON, 2))) == {
        (2, "num_support_tickets_past_month"): "1.00"
    }


def test_a_sum_that_does_not_fit_does_not_matter_where_nobody_asks(warehouse: sa.URL) -> None:
    contents = of_two_organizations(
        *[payment(NOON, "999999999.99", organization=3)] * 2,
        *[payment(END, "999999999.99")] * 2,
        ticket(NOON),
    )
    assert named(run(warehouse, contents)) == {"num_support_tickets_past_month": "1.00"}


# Running again


def test_running_a_day_twice_changes_nothing(warehouse: sa.URL) -> None:
    contents = of_two_organizations(
        login(NOON), message(NOON, user=20), payment(NOON, "1.00"), ticket(NOON, 2)
    )
    first = run(warehouse, contents)
    organization_stats(DAY, warehouse)
    assert run(warehouse, contents) == first
    assert set(written(warehouse)) == {DAY}


def test_late_data_change_the_day(warehouse: sa.URL) -> None:
    run(warehouse, of_two_organizations(login(NOON)))
    late = of_two_organizations(login(NOON), login(PAST_TEN_WEEKS), ticket(NOON, 2))
    assert run(warehouse, late) == {
        (1, "logins_past_week"): "1.00",
        (1, "average_weekly_logins"): "0.20",
        (2, "num_support_tickets_past_month"): "1.00",
    }


def test_what_no_longer_holds_is_removed(warehouse: sa.URL) -> None:
    everything: list[AnyEvent] = [
        login(NOON),
        message(NOON),
        payment(NOON, "1.00"),
        ticket(NOON),
        login(NOON, 20),
    ]
    assert len(run(warehouse, of_two_organizations(*everything))) == 8
    # Users and organizations leave the lists,
    assert len(run(warehouse, Contents({1, 2}, {(2, 20)}, everything))) == 4
    assert len(run(warehouse, Contents({2}, {(1, 10), (2, 20)}, everything))) == 2
    # and so do events.
    assert len(run(warehouse, of_two_organizations(*everything[3:]))) == 3
    assert run(warehouse, of_two_organizations(ticket(PAST_TEN_WEEKS))) == {}
    assert written(warehouse) == {}


def test_other_days_stay_as_they_are(warehouse: sa.URL) -> None:
    contents = of_two_organizations(login(NOON), payment(NOON, "1.00"))
    days = [DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)]
    for day in days:
        run(warehouse, contents, day)
    before = written(warehouse)
    run(warehouse, of_two_organizations(ticket(PAST_TEN_WEEKS)), DAY)
    assert written(warehouse) == {day: before[day] for day in (days[0], days[2]) if day in before}
    assert days[2] in before


# Random days

RUN_DATES = [
    *(date(2016, 3, day) for day in (1, 28, 29, 30, 31)),
    *(date(2015, 3, day) for day in (1, 28, 29)),
    *(date(2016, month, 31) for month in (1, 5, 7, 10, 12)),
    *(date(2016, 2, 1) + timedelta(days=days) for days in range(0, 300, 7)),
]


def random_time(dice: random.Random, run_date: date) -> datetime:
    """Draw a time, half of them within seconds of where a window or a week begins or ends."""
    end = rules.midnight(run_date + timedelta(days=1))
    if dice.random() < 0.5:
        return end - timedelta(seconds=dice.randrange(-2 * 86_400, 80 * 86_400))
    month = rules.midnight(rules.same_day_last_month(run_date) + timedelta(days=1))
    edges = [month, end, *(end - weeks * rules.WEEK for weeks in range(11))]
    return dice.choice(edges) + dice.choice([-1, 0, 0, 1]) * SECOND


def random_event(dice: random.Random, run_date: date) -> AnyEvent:
    at = random_time(dice, run_date)
    kind = dice.random()
    if kind < 0.15:
        amount = Decimal(dice.randrange(-10_000, 1_000_000)) / 100
        if dice.random() < 0.01:
            amount = dice.choice([1, -1]) * rules.LARGEST_VALUE
        return payment(at, str(amount), dice.randrange(1, 7))
    if kind < 0.3:
        name = dice.choice(["file_support_ticket"] * 4 + ["File_Support_Ticket", "plan_changed"])
        return OrganizationEvent(at, dice.randrange(1, 7), name)
    name = dice.choice([*rules.LOGINS, *["message_sent"] * 4, "Web_Login", "web_login ", "logout"])
    network = dice.choice([*rules.NETWORKS, None]) if name == "message_sent" else None
    return UserEvent(at, dice.randrange(1, 13), name, network)


def some(dice: random.Random, things: Iterable[Any], share: float) -> list[Any]:
    return [thing for thing in things if dice.random() < share]


@pytest.mark.parametrize("seed", range(6))
def test_random_days_agree_with_the_rules(warehouse: sa.URL, seed: int) -> None:
    dice = random.Random(seed)
    expected: dict[date, rules.Statistics] = {}
    for _ in range(5):
        run_date = dice.choice(RUN_DATES)
        pairs = [(organization, user) for organization in range(1, 7) for user in range(1, 13)]
        contents = Contents(set(some(dice, range(1, 7), 0.8)), set(some(dice, pairs, 0.2)))
        # Data come late, and other data go; each time the day and its neighbours are computed again.
        for share in (1.0, 0.95, 0.5, 0.0):
            more = [random_event(dice, run_date) for _ in range(dice.choice([5, 50, 300]))]
            contents.events = some(dice, contents.events + more, share)
            replace_contents(warehouse, contents)
            for day in (run_date, run_date + timedelta(days=dice.randrange(-7, 8))):
                statistics = rules.statistics(day, contents)
                if not rules.counts_at_all(contents):
                    with pytest.raises(EtlError, match=r"no event|no organizations"):
                        organization_stats(day, warehouse)
                elif too_large := rules.too_large(statistics):
                    refuses(warehouse, {organization for organization, _ in too_large}, day)
                else:
                    organization_stats(day, warehouse)
                    expected[day] = statistics
                assert written(warehouse) == {day: values for day, values in expected.items() if values}
