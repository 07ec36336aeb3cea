"""The rules by which a line becomes a row, said as plainly as they can be: slow, and obviously right.

The tests hold the real classifier against this page, so the two share no code.
"""

import datetime as dt
import hashlib
import json
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple, NoReturn

SOCIAL_NETWORKS = ("Twitter", "Facebook", "Instagram", "LinkedIn")
PAYMENT_PROCESSORS = ("Chase", "PayPal")
LONGEST_NAME = 100
SMALLEST_INTEGER, LARGEST_INTEGER = -(2**31), 2**31 - 1
LARGEST_AMOUNT = Decimal("999999999.99")


class Row(NamedTuple):
    """A row and the table it belongs to. An amount is its text, so that 2.5 and 2.50 differ."""

    table: str
    columns: dict[str, str | int | bool | None]


class Value(NamedTuple):
    """What a number is worth: ``digits * 10 ** exponent``, with neither leading nor trailing zeros."""

    negative: bool
    digits: str
    exponent: int


class Number:
    """A JSON number as it was written: no float may round it and no exponent may blow it up."""

    def __init__(self, text: str) -> None:
        self.text = text

    def value(self) -> Value:
        mantissa, _, power = self.text.lower().partition("e")
        whole, _, fraction = mantissa.removeprefix("-").partition(".")
        digits = (whole + fraction).lstrip("0")
        significant = digits.rstrip("0")
        if not significant:
            return Value(negative=False, digits="", exponent=0)
        # No line is so long that more than 18 digits of its exponent could matter.
        exponent = int(power.lstrip("+-").lstrip("0")[:18] or "0")
        exponent = -exponent if power.startswith("-") else exponent
        return Value(
            negative=mantissa.startswith("-"),
            digits=significant,
            exponent=exponent - len(fraction) + len(digits) - len(significant),
        )


def classify(line: bytes, *, nul_fits: bool = True) -> Row:
    """Return the row that a line becomes, in a database whose texts can hold U+0000 or in one where not."""
    try:
        event = parse(line)
    except (ValueError, RecursionError):
        raw = line.decode("utf-8", "backslashreplace")
        return unknown(line, raw if nul_fits else raw.replace("\0", "\\x00"), malformed=True)

    row = known(event)
    if row and not nul_fits and "\0" in f"{row.columns['id']}{row.columns['event']}":
        row = None
    if row:
        return row
    blob = compact(line.decode("utf-8"))
    return unknown(blob.encode(), blob, malformed=False)


def known(event: Any) -> Row | None:
    """Return the row of an event in one of the three known classes, and None for any other."""
    if not isinstance(event, dict):
        return None
    id_, timestamp, name = event.get("event_id"), event.get("timestamp"), event.get("event")
    if not isinstance(id_, str) or not is_timestamp(timestamp) or not isinstance(name, str):
        return None

    # The types alone decide the class. Whether the values fit its columns comes after that: an event
    # of a user whose id is too large does not become one of the organization.
    owner = next((column for column in ("user_id", "organization_id") if is_integer(event.get(column))), None)
    if owner is None or not fits_integer(event[owner]) or not is_storable(id_) or not is_storable(name):
        return None

    columns: dict[str, str | int | bool | None] = {
        "id": id_,
        "timestamp": timestamp,
        owner: as_integer(event[owner]),
        "event": name,
    }
    extra = event.get("extra_data")
    extra = extra if isinstance(extra, dict) else {}
    if owner == "user_id":
        network = extra.get("social_network_type")
        return Row("user_event", {**columns, "social_network_type": one_of(SOCIAL_NETWORKS, network)})

    amount = as_amount(extra.get("payment_amount"))
    processor = one_of(PAYMENT_PROCESSORS, extra.get("payment_processor"))
    if amount is None or processor is None:
        return Row("organization_event", columns)
    payment = {"payment_amount": str(amount), "payment_processor": processor}
    return Row("organization_payment", {**columns, **payment})


def unknown(identity: bytes, blob: str, *, malformed: bool) -> Row:
    digest = hashlib.md5(identity, usedforsecurity=False).hexdigest()
    return Row("unknown_event", {"id": digest, "event_blob": blob, "malformed": malformed})


def is_timestamp(value: Any) -> bool:
    if not isinstance(value, str) or not re.fullmatch(
        "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", value
    ):
        return False
    year, month, day, hour, minute, second = map(int, re.split("[- :]", value))
    try:
        dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError:
        return False
    return True


def one_of(names: tuple[str, ...], value: Any) -> str | None:
    return next((name for name in names if name == value), None)


def is_storable(name: str) -> bool:
    """Say whether a database can hold this name; half a surrogate pair has no UTF-8."""
    return len(name) <= LONGEST_NAME and not has_lone_surrogate(name)


def has_lone_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def is_integer(value: Any) -> bool:
    return isinstance(value, Number) and value.value().exponent >= 0


def fits_integer(number: Number) -> bool:
    value = number.value()
    # Whatever has more than ten digits is too large; writing it out might never end.
    few_digits = len(value.digits) + value.exponent <= len(str(LARGEST_INTEGER))
    return few_digits and SMALLEST_INTEGER <= as_integer(number) <= LARGEST_INTEGER


def as_integer(number: Number) -> int:
    value = number.value()
    magnitude = int((value.digits or "0") + "0" * value.exponent)
    return -magnitude if value.negative else magnitude


def as_amount(value: Any) -> Decimal | None:
    """Return an amount in whole cents, or None for what isn't a number or doesn't fit the column."""
    if not isinstance(value, Number):
        return None
    negative, digits, exponent = value.value()
    places_before_point = len(digits) + exponent
    if places_before_point > len("999999999"):
        return None
    if not digits or places_before_point < -2:
        # Less than 0.001. Decimal can't even hold some of these exponents.
        return Decimal("0.00")
    magnitude = Decimal(f"{digits}e{exponent}").quantize(Decimal("0.01"), ROUND_HALF_UP)
    if magnitude > LARGEST_AMOUNT:
        return None
    return -magnitude if negative and magnitude else magnitude


def parse(line: bytes) -> Any:
    """Return the JSON value of a line, its numbers as written; of two equal keys the last one counts.

    Raises:
        ValueError: the line isn't UTF-8 or isn't JSON.
        RecursionError: it is nested too deeply to tell.
    """

    def reject(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is Python's, not JSON's")

    return json.loads(line.decode("utf-8"), parse_int=Number, parse_float=Number, parse_constant=reject)


def compact(line: str) -> str:
    """Return JSON without the white space between its tokens, and nothing else changed."""
    kept = []
    in_string = escaped = False
    for character in line:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character in " \t\r\n":
            continue
        else:
            in_string = character == '"'
        kept.append(character)
    return "".join(kept)


def tables_after(days: list[list[bytes]]) -> dict[str, dict[str, str]]:
    """Return what the tables hold after days were loaded in their order: of each id its name, or its text.

    Within a day the first line of an id wins, in each table by itself; between days, the last one.
    """
    tables: dict[str, dict[str, str]] = {}
    for lines in days:
        of_day: dict[str, dict[str, str]] = {}
        for line in lines:
            table, columns = classify(line)
            shown = str(columns["event_blob"] if table == "unknown_event" else columns["event"])
            of_day.setdefault(table, {}).setdefault(str(columns["id"]), shown)
        for table, rows in of_day.items():
            tables.setdefault(table, {}).update(rows)
    return tables
