"""The four kinds of events, and which kind a line of JSON is. Pure: bytes in, one event out.

A line is first read by a decoder that knows the well-formed shapes. Whatever it refuses is read again by the
exact rules, which take each field as it is written and decide every other case. Both give the same event.
"""

from decimal import Decimal
from hashlib import md5
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Raw

from etl import json_text
from etl.values import MAX_INTEGER, MIN_INTEGER, is_timestamp, to_cents, to_integer

MAX_TEXT_LENGTH = 100
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
    """A line of no other kind, kept whole: compact JSON, or the raw text where it is malformed.

    The id is the MD5 of the compact JSON, or of the raw bytes, of which two may look alike as a text.
    """

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
    # A short line is not deep, whatever it holds.
    is_deep = len(line) > json_text.LEVELS_AT_ONCE and json_text.is_deep(line)
    event = (None if is_deep else _classify_well_formed(line)) or _classify_exactly(line)
    return event if nul_fits else _without_nul(event, line)


_Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT_LENGTH)]
_Integer = Annotated[int, msgspec.Meta(ge=MIN_INTEGER, le=MAX_INTEGER)]
# None is no value of these fields; it says that they are not there, while a null in the JSON is refused.
_ABSENT: Any = None


class _ExtraData(msgspec.Struct, gc=False):
    social_network_type: str | None = None
    payment_processor: str | None = None
    payment_amount: Raw = _ABSENT


class _WellFormed(msgspec.Struct, gc=False):
    event_id: _Text = _ABSENT
    timestamp: str = _ABSENT
    event: _Text = _ABSENT
    user_id: _Integer = _ABSENT
    organization_id: _Integer = _ABSENT
    extra_data: _ExtraData = _ABSENT


_decode_well_formed = msgspec.json.Decoder(_WellFormed).decode
_fields_of = msgspec.structs.astuple
# The constructor of a named tuple takes twice as long.
_new = tuple.__new__


def _classify_well_formed(line: bytes) -> Event | None:
    """Tell which event a line is whose fields are all of the types that they should be; None for others."""
    try:
        id_, timestamp, name, user_id, organization_id, extra = _fields_of(_decode_well_formed(line))
        if not line.isascii():
            # The decoder skips over what it doesn't need without looking at its encoding.
            line.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if id_ is None or name is None or timestamp is None or not is_timestamp(timestamp):
        return _well_formed_unknown(line)
    if user_id is not None:
        network = None if extra is None else extra.social_network_type
        if network not in SOCIAL_NETWORKS:
            network = None
        return _new(UserEvent, (id_, timestamp, user_id, name, network))
    if organization_id is None:
        return _well_formed_unknown(line)
    if extra is not None and extra.payment_processor in PAYMENT_PROCESSORS:
        amount = _amount(extra.payment_amount)
        if amount is not None:
            processor = extra.payment_processor
            return _new(OrganizationPayment, (id_, timestamp, organization_id, name, amount, processor))
    return _new(OrganizationEvent, (id_, timestamp, organization_id, name))


class _Fields(msgspec.Struct, gc=False):
    event_id: Raw = _ABSENT
    timestamp: Raw = _ABSENT
    event: Raw = _ABSENT
    user_id: Raw = _ABSENT
    organization_id: Raw = _ABSENT
    extra_data: Raw = _ABSENT


class _FieldsOfExtraData(msgspec.Struct, gc=False):
    social_network_type: Raw = _ABSENT
    payment_processor: Raw = _ABSENT
    payment_amount: Raw = _ABSENT


_check_json = msgspec.json.Decoder(Raw).decode
_decode_fields = msgspec.json.Decoder(_Fields).decode
_decode_extra_data = msgspec.json.Decoder(_FieldsOfExtraData).decode
_decode_text = msgspec.json.Decoder(str).decode


def _classify_exactly(line: bytes) -> Event:
    try:
        line.decode()
        upper_levels = _checked(json_text.without_lone_surrogates(line))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _unknown(line.decode(errors="backslashreplace"), line, malformed=True)
    try:
        event = _known(_decode_fields(upper_levels))
    except msgspec.ValidationError:
        # JSON, but no object.
        event = None
    return event or _well_formed_unknown(line)


def _checked(line: bytes) -> bytes:
    """Return a line's upper levels, in which all of an event's own fields are, if all of it is JSON."""
    if not json_text.is_deep(line):
        _check_json(line)
        return line
    pieces = json_text.pieces(line)
    if pieces is None:
        raise msgspec.DecodeError("brackets don't match, or go too deep")
    for piece in pieces:
        _check_json(piece)
    return pieces[-1]


def _well_formed_unknown(line: bytes) -> UnknownEvent:
    blob = json_text.compact(line)
    return _unknown(blob, blob.encode(), malformed=False)


def _unknown(blob: str, identity: bytes, *, malformed: bool) -> UnknownEvent:
    return _new(UnknownEvent, (md5(identity, usedforsecurity=False).hexdigest(), blob, malformed))


def _known(fields: _Fields) -> KnownEvent | None:
    id_, timestamp, name = _text(fields.event_id), _text(fields.timestamp), _text(fields.event)
    if id_ is None or name is None or timestamp is None or not is_timestamp(timestamp):
        return None
    raw_extra = fields.extra_data
    is_object = raw_extra is not None and _first_byte(raw_extra) == b"{"
    extra = _decode_extra_data(raw_extra) if is_object else _FieldsOfExtraData()
    event: KnownEvent
    if (user_id := _integer(fields.user_id)) is not None:
        network = _text(extra.social_network_type)
        event = UserEvent(id_, timestamp, user_id, name, network if network in SOCIAL_NETWORKS else None)
    elif (organization_id := _integer(fields.organization_id)) is not None:
        amount, processor = _amount(extra.payment_amount), _text(extra.payment_processor)
        if amount is not None and processor in PAYMENT_PROCESSORS:
            event = OrganizationPayment(id_, timestamp, organization_id, name, amount, processor)
        else:
            event = OrganizationEvent(id_, timestamp, organization_id, name)
    else:
        return None
    fits = MIN_INTEGER <= event[2] <= MAX_INTEGER and max(len(id_), len(name)) <= MAX_TEXT_LENGTH
    return event if fits else None


def _first_byte(value: Raw) -> bytes:
    return bytes(memoryview(value)[:1])


def _text(value: Raw | None) -> str | None:
    if value is None or _first_byte(value) != b'"':
        return None
    try:
        return _decode_text(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Half a surrogate pair.
        return None


def _number(value: Raw | None) -> str | None:
    if value is None:
        return None
    text = bytes(value)
    return text.decode() if text[0] in b"-0123456789" else None


def _integer(value: Raw | None) -> int | None:
    number = _number(value)
    return None if number is None else to_integer(number)


def _amount(value: Raw | None) -> Decimal | None:
    number = _number(value)
    return None if number is None else to_cents(number)


def _without_nul(event: Event, line: bytes) -> Event:
    if isinstance(event, UnknownEvent):
        return event._replace(event_blob=event.event_blob.replace("\0", r"\x00"))
    if "\0" not in event.id and "\0" not in event.event:
        return event
    return _well_formed_unknown(line)
