"""The values of an event's fields, exactly as they are written: numbers and timestamps."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

MIN_INTEGER, MAX_INTEGER = -(2**31), 2**31 - 1
MAX_AMOUNT = Decimal("999999999.99")
CENT = Decimal("0.01")
# To be rounded, an amount must have few digits.
_SURELY_TOO_LARGE = MAX_AMOUNT + 1

_MINUTES = frozenset(f" {hour:02}:{minute:02}:" for hour in range(24) for minute in range(60))
_SECONDS = frozenset(f"{second:02}" for second in range(60))


def to_decimal(number: str) -> Decimal:
    """Return the value of a JSON number exactly.

    Args:
        number: the number as written in the JSON. An exponent beyond nine digits counts as one of
            a thousand million, which is as far outside of every column.
    """
    if len(number) <= 9:  # noqa: PLR2004
        return Decimal(number)
    mantissa, _, exponent = number.lower().partition("e")
    digits = exponent.lstrip("+-").lstrip("0")
    if len(digits) <= 9:  # noqa: PLR2004
        return Decimal(number)
    return Decimal(f"{mantissa}e{'-' if exponent.startswith('-') else ''}1000000000")


def to_integer(number: str) -> int | None:
    """Return the value of a JSON number, or None where it has a fraction.

    Args:
        number: the number as written in the JSON. Outside of 32 bits it is only known to be outside: how far
            doesn't matter, and 1e999999999 would not fit into memory.
    """
    value = to_decimal(number)
    if value != value.to_integral_value():
        return None
    return int(max(min(value, Decimal(MAX_INTEGER + 1)), Decimal(MIN_INTEGER - 1)))


def to_cents(number: str) -> Decimal | None:
    """Round an amount half away from zero to cents.

    Args:
        number: the amount as written in the JSON.

    Returns:
        The amount with two decimals, or None where it has more than nine digits before them.
    """
    amount = to_decimal(number)
    if amount.copy_abs() > _SURELY_TOO_LARGE:
        return None
    cents = amount.quantize(CENT, ROUND_HALF_UP)
    if cents.copy_abs() > MAX_AMOUNT:
        return None
    return cents or cents.copy_abs()


def to_timestamp(text: str) -> str | None:
    """Return a text that is exactly ``YYYY-MM-DD HH:MM:SS``, of a day that exists, or None."""
    return text if text[17:] in _SECONDS and text[10:17] in _MINUTES and _is_date(text[:10]) else None


# A load sees few dates, and many times of each.
@lru_cache(maxsize=1_024)
def _is_date(text: str) -> bool:
    try:
        # It reads other notations too, and writes only this one.
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
