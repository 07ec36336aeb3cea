"""How organizations were doing on each day: kept with its statistics, right whatever is computed again."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from etl import organization_queries as queries
from etl import tables
from etl import warehouse as warehouses
from etl.errors import EtlError
from etl.health import Mark
from etl.import_organizations import import_organizations
from etl.organization_queries import HEALTH, Wanted
from etl.organization_stats import organization_stats

from tests.integration.test_statistics import (
    DAY,
    NOON,
    AnyEvent,
    login,
    of_two_organizations,
    payment,
    random_event,
    replace_contents,
    some,
    ticket,
    written,
)
from tests.unit import statistics_rules as rules
from tests.unit.statistics_rules import Contents

WEEK = timedelta(days=7)
Kept = dict[tuple[date, int], tuple[str, ...]]


def kept(warehouse: sa.URL) -> Kept:
    """Return the reasons to worry about each organization, by day."""
    with warehouses.transaction(warehouse) as connection:
        found = connection.execute(sa.select(tables.organization_health)).all()
    assert all(row.reason_count == len(row.reasons.split()) for row in found)
    return {(row.day, row.organization_id): tuple(row.reasons.split()) for row in found}


def plainly(statistics: dict[date, rules.Statistics], days: set[date]) -> Kept:
    """Say the same as plainly as it can be: of each organization that has something to look at."""
    looked_at = ("logins_past_week", "average_weekly_logins", "amount_paid_past_month")
    tickets = "num_support_tickets_past_month"
    found: Kept = {}
    for day in days:
        now, before = statistics.get(day, {}), statistics.get(day - WEEK, {})
        organizations = {id_ for id_, name in now if name in (*looked_at, tickets)}
        organizations |= {id_ for id_, name in before if name == tickets}
        for id_ in organizations:
            logins, usual, paid = (now.get((id_, name), 0) for name in looked_at)
            reasons = {
                "fewer_logins": logins * 5 < usual * 4,
                "no_payment": paid <= 0,
                "more_tickets": now.get((id_, tickets), 0) > before.get((id_, tickets), 0),
            }
            found[day, id_] = tuple(name for name, holds in reasons.items() if holds)
    return found


def marks(warehouse: sa.URL, day: date = DAY) -> dict[int, Mark]:
    """Return the marks of a day as the page shows them, and check that it finds them by their marks, too."""
    with warehouses.transaction(warehouse) as connection:
        shown = {
            row.organization_id: row.health.mark for row in queries.find(connection, Wanted(day, sort=HEALTH))
        }
        for mark in Mark:
            of_mark = queries.find(connection, Wanted(day, mark=mark), limit=50)
            assert {row.organization_id for row in of_mark} == {
                id_ for id_, is_ in shown.items() if is_ == mark
            }
    return shown


def test_a_day_is_marked_when_its_statistics_are_computed(warehouse: sa.URL) -> None:
    worrying: list[AnyEvent] = [login(NOON - 2 * WEEK, 20), ticket(NOON, 2)]
    replace_contents(warehouse, of_two_organizations(login(NOON), payment(NOON, "1.00"), *worrying))
    organization_stats(DAY, warehouse)
    assert kept(warehouse) == {(DAY, 1): (), (DAY, 2): ("fewer_logins", "no_payment", "more_tickets")}
    assert marks(warehouse) == {1: Mark.WELL, 2: Mark.CALL}


def test_late_data_mark_the_day_anew_and_the_one_that_is_compared_with_it(warehouse: sa.URL) -> None:
    of_today: list[AnyEvent] = [payment(NOON, "1.00"), ticket(NOON - WEEK)]
    replace_contents(warehouse, of_two_organizations(*of_today))
    for day in (DAY - WEEK, DAY):
        organization_stats(day, warehouse)
    # The day itself adds none to those of a week before.
    assert kept(warehouse)[DAY, 1] == ()
    more: list[AnyEvent] = [ticket(NOON), payment(NOON - WEEK, "1.00")]
    replace_contents(warehouse, of_two_organizations(*of_today, *more))
    organization_stats(DAY, warehouse)
    assert kept(warehouse)[DAY, 1] == ("more_tickets",)
    # Now the older day has as many, and only it is computed again.
    replace_contents(warehouse, of_two_organizations(*of_today, *more, ticket(NOON - WEEK)))
    organization_stats(DAY - WEEK, warehouse)
    assert kept(warehouse)[DAY, 1] == ()
    assert kept(warehouse)[DAY - WEEK, 1] == ("more_tickets",)
    # A day that nobody computed is not marked.
    assert {day for day, _ in kept(warehouse)} == {DAY - WEEK, DAY}


def test_a_day_that_fails_is_marked_as_it_was(warehouse: sa.URL) -> None:
    replace_contents(warehouse, of_two_organizations(payment(NOON, "1.00")))
    organization_stats(DAY, warehouse)
    before = kept(warehouse)
    replace_contents(warehouse, of_two_organizations(*[payment(NOON, "999999999.99")] * 2))
    with pytest.raises(EtlError, match="does not fit"):
        organization_stats(DAY, warehouse)
    assert kept(warehouse) == before


def test_organizations_come_and_go(warehouse: sa.URL, tmp_path: Path) -> None:
    def only(*names: str) -> None:
        file = tmp_path / "organizations.csv"
        lines = [f"{number},{name}\n" for number, name in enumerate(names, 1) if name]
        file.write_text("organization_id,organization_name\n" + "".join(lines))
        import_organizations([str(file)], warehouse, replace=True)

    contents = of_two_organizations(payment(NOON, "1.00"), payment(NOON, "1.00", 2))
    replace_contents(warehouse, contents)
    organization_stats(DAY, warehouse)
    # One that comes later has done nothing on that day; one that goes is not shown, and back when it is.
    only("Acme", "", "New")
    assert marks(warehouse) == {1: Mark.WELL, 3: Mark.WATCH}
    only("Acme", "Back", "New")
    assert marks(warehouse) == {1: Mark.WELL, 2: Mark.WELL, 3: Mark.WATCH}
    # A day that was computed in between knows nothing of it.
    only("Acme", "", "New")
    organization_stats(DAY, warehouse)
    only("Acme", "Back", "New")
    assert marks(warehouse) == {1: Mark.WELL, 2: Mark.WATCH, 3: Mark.WATCH}


@pytest.mark.parametrize("seed", range(4))
def test_random_days_in_any_order_are_marked_by_the_rules(warehouse: sa.URL, seed: int) -> None:
    dice = random.Random(seed)
    days = [DAY + WEEK * n for n in range(-2, 3)]
    contents = Contents(set(range(1, 6)), {(user % 6 + 1, user) for user in range(1, 13)})
    computed: set[date] = set()
    for _ in range(12):
        more = [random_event(dice, dice.choice(days)) for _ in range(30)]
        contents.events = some(dice, contents.events + more, dice.choice([1.0, 0.6]))
        replace_contents(warehouse, contents)
        day = dice.choice(days)
        if rules.too_large(rules.statistics(day, contents)) or not rules.counts_at_all(contents):
            continue
        organization_stats(day, warehouse)
        computed.add(day)
        assert kept(warehouse) == plainly(written(warehouse), computed)
    assert len(computed) >= 3


@pytest.fixture
def forget(warehouse: sa.URL) -> Callable[[], None]:
    """Leave the days as a version of before the table of health leaves them."""

    def forget() -> None:
        with warehouses.transaction(warehouse, exclusive="tests") as connection:
            connection.execute(sa.delete(tables.organization_health))

    return forget


def test_days_of_an_older_version_are_marked_by_the_rules(
    warehouse: sa.URL, forget: Callable[[], None]
) -> None:
    worrying: list[AnyEvent] = [login(NOON - 2 * WEEK, 20), ticket(NOON, 2)]
    replace_contents(warehouse, of_two_organizations(login(NOON), payment(NOON, "1.00"), *worrying))
    organization_stats(DAY, warehouse)
    before = marks(warehouse)
    forget()
    assert marks(warehouse) == before == {1: Mark.WELL, 2: Mark.CALL}
    # A day that is computed anew leaves it so.
    organization_stats(DAY - WEEK, warehouse)
    assert {day for day, _ in kept(warehouse)} == {DAY - WEEK}
    assert marks(warehouse) == before


def test_a_day_keeps_the_marks_of_the_rules_of_then(
    warehouse: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_contents(warehouse, of_two_organizations(payment(NOON, "1.00"), login(NOON, 20)))
    organization_stats(DAY, warehouse)
    before = marks(warehouse)
    assert before == {1: Mark.WELL, 2: Mark.WATCH}
    with monkeypatch.context() as patched:
        # As if a fork had done without rules.
        patched.setattr("etl.health.RULES", ())
        patched.setattr("etl.organization_health.RULES", ())
        assert marks(warehouse) == before
