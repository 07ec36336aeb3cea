"""Which class of events a line of JSON is of. Pure: bytes in, one row out.

A line is first read by a decoder of well-formed values. Whatever that refuses is read again by the exact
rules of each kind of field, which decide every other case. Both try the same classes.
"""

from hashlib import md5

import msgspec
from msgspec import Raw

from etl import json_text
from etl.event_classes import EVENT_CLASSES, UNKNOWN_EVENT
from etl.event_reader import Event, reader

_well_formed = reader(EVENT_CLASSES, exact=False)
_any_json = reader(EVENT_CLASSES, exact=True)
_check_json = msgspec.json.Decoder(Raw).decode
# To be copied: making one takes longer than what it does.
_EMPTY_MD5 = md5(usedforsecurity=False)


def classify(line: bytes, *, nul_fits: bool = True) -> Event:
    """Tell which event a line is.

    Returns:
        The name of its class and table, the values of the columns as the warehouse takes them, the id first,
        and whether the line is malformed.

        A line of no class is an unknown event, whose columns are an id and the line itself: compact JSON, or
        the raw text where it is malformed. The id is the MD5 of the compact JSON, or of the raw bytes, of
        which two may look alike as a text.

    Args:
        line: one line without its line end, not blank.
        nul_fits: whether the warehouse can hold U+0000 in a text. Where it can't (PostgreSQL), an event
            with one in a text is kept as an unknown event, and raw text has it escaped.
    """
    # A short line is not deep, whatever it holds.
    if len(line) > json_text.LEVELS_AT_ONCE and json_text.is_deep(line):
        event = _classify_exactly(line)
    else:
        try:
            event = _well_formed(line) or _well_formed_unknown(line)
            if not line.isascii():
                # The decoder skips over what it doesn't need without looking at its encoding.
                line.decode()
        except (msgspec.DecodeError, UnicodeDecodeError):
            event = _classify_exactly(line)
    return event if nul_fits else _without_nul(event, line)


def _classify_exactly(line: bytes) -> Event:
    try:
        line.decode()
        upper_levels = _checked(json_text.without_lone_surrogates(line))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _unknown(line.decode(errors="backslashreplace"), line, malformed=True)
    try:
        event = _any_json(upper_levels)
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


def _well_formed_unknown(line: bytes) -> Event:
    blob = json_text.compact(line)
    return _unknown(blob, blob.encode(), malformed=False)


def _unknown(blob: str, identity: bytes, *, malformed: bool) -> Event:
    digest = _EMPTY_MD5.copy()
    digest.update(identity)
    return UNKNOWN_EVENT, (digest.hexdigest(), blob), malformed


def _without_nul(event: Event, line: bytes) -> Event:
    table, values, malformed = event
    if table == UNKNOWN_EVENT:
        id_, blob = values
        return table, (id_, blob.replace("\0", r"\x00")), malformed
    if any("\0" in value for value in values if isinstance(value, str)):
        return _well_formed_unknown(line)
    return event
