"""Which organizations need a call, and why: the rules.

A rule's test takes numbers, or columns of a query: so that the reasons in words, and the organizations that
the warehouse is asked for, come from the same line.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

LOGINS, USUAL_LOGINS = "logins_past_week", "average_weekly_logins"
PAID = "amount_paid_past_month"
TICKETS = "num_support_tickets_past_month"
# What the rules look at, of the day and of the day a week before.
LOOKED_AT = (LOGINS, USUAL_LOGINS, PAID, TICKETS)
LOOKED_AT_BEFORE = (TICKETS,)
# A week has fewer logins than usual when it has less than this share of the average one.
FEWER = 0.8

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """A reason to worry; the warehouse keeps its name."""

    name: str
    applies: Callable[[Figures, Figures], Any]
    words: Callable[[Figures, Figures], str]


RULES = (
    Rule(
        "fewer_logins",
        lambda now, _before: now[LOGINS] < now[USUAL_LOGINS] * FEWER,
        lambda now, _before: f"{now[LOGINS]:,.0f} logins this week, where {now[USUAL_LOGINS]:,.1f} are usual",
    ),
    Rule(
        "no_payment",
        lambda now, _before: now[PAID] <= 0,
        lambda _now, _before: "no payment for a month",
    ),
    Rule(
        "more_tickets",
        lambda now, before: now[TICKETS] > before[TICKETS],
        lambda now, before: (
            f"{now[TICKETS]:,.0f} support tickets in a month, {before[TICKETS]:,.0f} a week before"
        ),
    ),
)


class Mark(Enum):
    """How an organization is doing, by the number of reasons to worry."""

    WELL = "well"
    WATCH = "watch"
    CALL = "call"


# The least number of reasons for each mark.
MARKS = {Mark.CALL: 2, Mark.WATCH: 1, Mark.WELL: 0}


@dataclass(frozen=True)
class Health:
    """An organization's mark, with the reasons for it in words."""

    mark: Mark
    reasons: tuple[str, ...]


def reasons(now: Figures, before: Figures) -> tuple[str, ...]:
    """Return the names of the rules by which there is reason to worry.

    Args:
        now: an organization's statistics of a day; one that is missing is 0.
        before: those of the day a week before.
    """
    figures = _complete(now, before)
    return tuple(rule.name for rule in RULES if rule.applies(*figures))


def health(now: Figures, before: Figures, named: Collection[str] | None = None) -> Health:
    """Return how an organization is doing.

    Args:
        now: its statistics of a day; one that is missing is 0.
        before: those of the day a week before.
        named: the names of the reasons, where they are known: those of a day that was marked by other rules
            than there are now stay.
    """
    if named is None:
        named = reasons(now, before)
    figures = _complete(now, before)
    mark = next(mark for mark, least in MARKS.items() if len(named) >= least)
    return Health(mark, tuple(rule.words(*figures) for rule in RULES if rule.name in named))


def _complete(now: Figures, before: Figures) -> tuple[Figures, Figures]:
    return dict.fromkeys(LOOKED_AT, 0.0) | dict(now), dict.fromkeys(LOOKED_AT_BEFORE, 0.0) | dict(before)
