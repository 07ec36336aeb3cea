"""The four kinds of events, and which kind a line of JSON is. Pure: bytes in, one event out.

A line is first read by a decoder that knows the well-formed shapes (msgspec, fast). Whatever it
refuses is read again by the exact rules, which decide every other case. Both give the same event.
"""

import re
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from hashlib import md5
from typing import Annotated, Any, NamedTuple

import msgspec
import simplejson
from msgspec import UNSET, UnsetType

MAX_TEXT_LENGTH = 100
MAX_NESTING = 400
MIN_INTEGER, MAX_INTEGER = -(2**31), 2**31 - 1
MAX_AMOUNT = Decimal("999999999.99")
CENT = Decimal("0.01")
SOCIAL_NETWORKS = frozenset({"Twitter", "Facebook", "Instagram", "LinkedIn"})
PAYMENT_PROCESSORS = frozenset({"Chase", "PayPal"})


class UserEvent(NamedTuple):
    """Something a user did; the network is None unless it is one of those we know."""

    id: str
    timestamp: str
    user_id: int
    event: str
    social_network_type: str | None


class OrganizationPayment(NamedTuple):
    """A payment of an organization, in whole cents."""

    id: str
    timestamp: str
    organization_id: int
    event: str
    payment_amount: Decimal
    payment_processor: str


class OrganizationEvent(NamedTuple):
    """Anything else that happened to an organization."""

    id: str
    timestamp: str
    organization_id: int
    event: str


class UnknownEvent(NamedTuple):
    """A line of no other kind, kept whole: compact JSON, or the raw text where it is malformed."""

    id: str
    event_blob: str
    malformed: bool


KnownEvent = UserEvent | OrganizationPayment | OrganizationEvent
Event = KnownEvent | UnknownEvent


def classify(line: bytes, *, nul_fits: bool = True) -> Event:
    """Tell which event a line is.

    Args:
        line: one line without its line end, not blank.
        nul_fits: whether the warehouse can hold U+0000 in a text. Where it can't (PostgreSQL), an event
            with one in its id or name is kept as an unknown event, and raw text has it escaped.
    """
    if _is_too_deep(line):
        event: Event = _malformed(line)
    else:
        event = _classify_well_formed(line) or _classify_exactly(line)
    return event if nul_fits else _without_nul(event, line)


# Possessive, so that a string without an end takes no longer than its length asks.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[][{}]")


def _is_too_deep(line: bytes) -> bool:
    """Tell whether a line is nested deeper than the parsers get wherever they are called from."""
    if line.count(b"[") + line.count(b"{") <= MAX_NESTING:
        return False
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", line)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_NESTING:
            return True
    return False


_Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT_LENGTH)]
_Integer = Annotated[int, msgspec.Meta(ge=MIN_INTEGER, le=MAX_INTEGER)]


class _ExtraData(msgspec.Struct, gc=False):
    social_network_type: str | None = None
    payment_processor: str | None = None
    payment_amount: msgspec.Raw | UnsetType = UNSET


class _WellFormed(msgspec.Struct, gc=False):
    event_id: _Text
    timestamp: str
    event: _Text
    user_id: _Integer | UnsetType = UNSET
    organization_id: _Integer | UnsetType = UNSET
    extra_data: _ExtraData | UnsetType = UNSET


_decode_well_formed = msgspec.json.Decoder(_WellFormed).decode


def _classify_well_formed(line: bytes) -> KnownEvent | None:
    try:
        fields = _decode_well_formed(line)
        if not line.isascii():
            # The decoder skips over what it doesn't need without looking at its encoding.
            line.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if not is_timestamp(fields.timestamp):
        return None
    extra = fields.extra_data
    if fields.user_id is not UNSET:
        network = None if extra is UNSET else extra.social_network_type
        return UserEvent(
            fields.event_id,
            fields.timestamp,
            fields.user_id,
            fields.event,
            network if network in SOCIAL_NETWORKS else None,
        )
    if fields.organization_id is UNSET:
        return None
    if extra is not UNSET and extra.payment_processor in PAYMENT_PROCESSORS:
        raw_amount = b"" if extra.payment_amount is UNSET else bytes(extra.payment_amount)
        amount = to_cents(raw_amount.decode()) if raw_amount[:1] in b"-0123456789" and raw_amount else None
        if amount is not None:
            return OrganizationPayment(
                fields.event_id,
                fields.timestamp,
                fields.organization_id,
                fields.event,
                amount,
                extra.payment_processor,
            )
    return OrganizationEvent(fields.event_id, fields.timestamp, fields.organization_id, fields.event)


# Numbers stay as they were written, so that no digit of an amount or of a kept line is lost.
_Number = simplejson.RawJSON


def _classify_exactly(line: bytes) -> Event:
    try:
        value = _parse(line.decode())
        blob = _compact(value)
    except ValueError:
        return _malformed(line)
    event = _known(value) if isinstance(value, dict) else None
    return event or _unknown(blob, malformed=False)


def _parse(text: str) -> Any:
    if text.startswith("\ufeff"):
        raise ValueError("a byte order mark is not JSON")
    return simplejson.loads(text, parse_int=_Number, parse_float=_Number)


def _compact(value: Any) -> str:
    text = simplejson.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate has no UTF-8, and its backslash escape is the one that JSON writes too.
    return text.encode(errors="backslashreplace").decode()


def _malformed(line: bytes) -> UnknownEvent:
    return _unknown(line.decode(errors="backslashreplace"), malformed=True)


def _unknown(blob: str, *, malformed: bool) -> UnknownEvent:
    return UnknownEvent(md5(blob.encode(), usedforsecurity=False).hexdigest(), blob, malformed)


def _known(fields: dict[str, Any]) -> KnownEvent | None:
    id_, timestamp, name = fields.get("event_id"), fields.get("timestamp"), fields.get("event")
    if not (isinstance(id_, str) and isinstance(name, str)):
        return None
    if not (isinstance(timestamp, str) and is_timestamp(timestamp)):
        return None
    extra = fields.get("extra_data")
    extra = extra if isinstance(extra, dict) else {}
    event: KnownEvent
    if (user_id := _integer(fields.get("user_id"))) is not None:
        event = UserEvent(
            id_, timestamp, user_id, name, _one_of(SOCIAL_NETWORKS, extra.get("social_network_type"))
        )
    elif (organization_id := _integer(fields.get("organization_id"))) is not None:
        amount = extra.get("payment_amount")
        cents = to_cents(amount.encoded_json) if isinstance(amount, _Number) else None
        processor = _one_of(PAYMENT_PROCESSORS, extra.get("payment_processor"))
        if cents is not None and processor is not None:
            event = OrganizationPayment(id_, timestamp, organization_id, name, cents, processor)
        else:
            event = OrganizationEvent(id_, timestamp, organization_id, name)
    else:
        return None
    fits = MIN_INTEGER <= event[2] <= MAX_INTEGER and _fits(id_) and _fits(name)
    return event if fits else None


def _one_of(known: frozenset[str], value: object) -> str | None:
    return value if isinstance(value, str) and value in known else None


def _fits(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return len(text) <= MAX_TEXT_LENGTH


def _integer(value: object) -> int | None:
    if not isinstance(value, _Number):
        return None
    number = to_decimal(value.encoded_json)
    if number != number.to_integral_value():
        return None
    # How far out of range it is doesn't matter, and 1e999999999 would not fit into memory.
    return int(max(min(number, Decimal(MAX_INTEGER + 1)), Decimal(MIN_INTEGER - 1)))


def to_decimal(number: str) -> Decimal:
    """Return the value of a JSON number exactly.

    Args:
        number: the number as written in the JSON. An exponent beyond nine digits counts as one of
            a thousand million, which is as far outside of every column.
    """
    mantissa, _, exponent = number.lower().partition("e")
    digits = exponent.lstrip("+-").lstrip("0")
    if len(digits) <= 9:  # noqa: PLR2004
        return Decimal(number)
    return Decimal(f"{mantissa}e{'-' if exponent.startswith('-') else ''}1000000000")


def to_cents(number: str) -> Decimal | None:
    """Round an amount half away from zero to cents.

    Args:
        number: the amount as written in the JSON.

    Returns:
        The amount with two decimals, or None where it has more than nine digits before them.
    """
    amount = to_decimal(number)
    if amount.copy_abs() > MAX_AMOUNT + 1:
        return None
    cents = amount.quantize(CENT, ROUND_HALF_UP)
    if cents.copy_abs() > MAX_AMOUNT:
        return None
    return cents or cents.copy_abs()


_TIMESTAMP = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}) (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]")


def is_timestamp(text: str) -> bool:
    """Tell whether a text is exactly ``YYYY-MM-DD HH:MM:SS`` and that day exists."""
    match = _TIMESTAMP.fullmatch(text)
    return match is not None and _is_calendar_date(match.group(1))


@lru_cache(maxsize=1024)
def _is_calendar_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _without_nul(event: Event, line: bytes) -> Event:
    if isinstance(event, UnknownEvent):
        return _unknown(event.event_blob.replace("\0", r"\x00"), malformed=event.malformed)
    if "\0" not in event.id and "\0" not in event.event:
        return event
    return _unknown(_compact(_parse(line.decode())), malformed=False)
