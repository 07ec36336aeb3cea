"""The rules by which an organization needs a call, and what they say."""

import pytest
from etl.health import LOGINS, PAID, TICKETS, USUAL_LOGINS, Mark, health, reasons

FINE = {LOGINS: 10, USUAL_LOGINS: 10, PAID: 5, TICKETS: 2}


@pytest.mark.parametrize(
    ("changes", "before", "mark", "reasons"),
    [
        ({}, {TICKETS: 2}, Mark.WELL, ()),
        # A bit less than usual is usual.
        ({LOGINS: 8}, {TICKETS: 2}, Mark.WELL, ()),
        ({LOGINS: 7}, {TICKETS: 2}, Mark.WATCH, ("7 logins this week, where 10.0 are usual",)),
        ({PAID: 0}, {TICKETS: 2}, Mark.WATCH, ("no payment for a month",)),
        ({}, {TICKETS: 1}, Mark.WATCH, ("2 support tickets in a month, 1 a week before",)),
        ({}, {TICKETS: 3}, Mark.WELL, ()),
        ({}, {}, Mark.WATCH, ("2 support tickets in a month, 0 a week before",)),
        (
            {LOGINS: 0, USUAL_LOGINS: 1234.5, PAID: 0},
            {TICKETS: 2},
            Mark.CALL,
            ("0 logins this week, where 1,234.5 are usual", "no payment for a month"),
        ),
    ],
)
def test_rules(
    changes: dict[str, float], before: dict[str, float], mark: Mark, reasons: tuple[str, ...]
) -> None:
    found = health(FINE | changes, before)
    assert (found.mark, found.reasons) == (mark, reasons)


def test_an_organization_without_any_statistics_has_not_paid() -> None:
    assert health({}, {}).reasons == ("no payment for a month",)


def test_the_reasons_that_were_kept_count() -> None:
    worrying = {LOGINS: 0, USUAL_LOGINS: 10}
    assert reasons(worrying, {}) == ("fewer_logins", "no_payment")
    assert health(worrying, {}, ("no_payment",)).reasons == ("no payment for a month",)
    assert health(worrying, {}, ()).mark is Mark.WELL
    # Of a rule that there is no more, nobody knows the words.
    assert health(worrying, {}, ("no_payment", "a rule of then")).mark is Mark.CALL
