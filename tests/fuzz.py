"""Days that nobody would write: seeded, so that each can be had again, and what the rules make of them."""

import codecs
import gzip
import random
import re
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.unit import rules

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GOOD = [
    (
        b'{"event_id": "e-%d", "timestamp": "2016-02-22 01:02:03", "user_id": %d, "event": "message_sent", '
        b'"extra_data": {"social_network_type": "Twitter"}}'
    ),
    (
        b'{"event_id": "e-%d", "timestamp": "2016-02-22 23:59:59", "organization_id": %d, "event": "payment"'
        b', "extra_data": {"payment_amount": 12.345, "payment_processor": "Chase"}}'
    ),
    b'{"event_id":"e-%d","timestamp":"2016-02-29 00:00:00","organization_id":%d,"event":"plan_changed"}',
    b'{"a": %d, "b": [%d, {"c": null}], "a": "\\u00e9\\ud800"}',
]
TOKENS = [
    *(bytes([byte]) for byte in range(256) if byte != 10),
    *(
        token.encode()
        for token in ("é", "😀", "\u2028", "\ufeff", "\\u0000", "\\ud83d", "\\ude00", "\\n", "\\")
    ),
    *(
        b"null",
        b"true",
        b"NaN",
        b"-0",
        b"1.0",
        b"1e400",
        b"5.5",
        b"2147483648",
        b"1e-999999999999",
        b"9" * 30,
    ),
    *(
        b'"user_id": 7,',
        b'"extra_data": 5,',
        b'"event": "x",',
        b'"event_id": "e-1",',
        b'"x":',
        b'"',
        b"  ",
        b"\r",
    ),
    *(b"[" * depth + b"]" * depth for depth in (1, 50, 250, 10_001)),
    *(b"[" * 250, b'{"a":' * 250 + b"1" + b"}" * 250),
]


class Day(NamedTuple):
    """Objects, and what a load of them has to come to."""

    objects: list[bytes]
    lines: int
    malformed: int
    ids: dict[str, set[str]]
    """Of each table, those that its rows must have."""


def line(draw: random.Random) -> bytes:
    """Return one line: good, or with some of its bytes changed, taken out, repeated or put in."""
    found = bytearray(draw.choice(GOOD) % (draw.randrange(500), draw.randrange(10**4)))
    for _ in range(draw.choice([0, 0, 1, 1, 2, 4])):
        start = draw.randrange(len(found) + 1)
        end = start + draw.choice([0, 0, 1, 3, 20])
        found[start:end] = draw.choice([draw.choice(TOKENS), b"", bytes(found[start:end]) * 2])
    return bytes(found)


def text(draw: random.Random, count: int) -> bytes:
    """Return so many lines, some of them more than once, and blank ones between them."""
    kept: list[bytes] = []
    for _ in range(count):
        kept.append(draw.choice(kept) if kept and draw.random() < 0.3 else line(draw))
    ends = [b"\n", b"\n", b"\r\n", b"\n\n", b"\n \t\r\n"]
    return b"".join(one + draw.choice(ends) for one in kept) + draw.choice([b"", b"{}", b"[", b"\r"])


def stored(draw: random.Random, content: bytes) -> bytes:
    """Return a text as an object may hold it."""
    middle = draw.randrange(len(content) + 1)
    match draw.randrange(6):
        case 0:
            return codecs.BOM_UTF8 + content
        case 1:
            return gzip.compress(content, 1)
        case 2:
            return gzip.compress(content[:middle], 1) + gzip.compress(content[middle:], 1)
        case 3:
            return zstd.compress(content)
        case 4:
            return zstd.compress(content[:middle]) + zstd.compress(content[middle:])
        case _:
            return content


def damaged(draw: random.Random, content: bytes) -> bytes:
    """Return an object with a few of its bytes changed, or a part of it."""
    found = bytearray(content)
    for _ in range(draw.choice([1, 2, 10])):
        start = draw.randrange(len(found) + 1)
        found[start : start + draw.choice([0, 1, 8])] = draw.randbytes(draw.choice([0, 1, 8]))
    return bytes(found[: draw.choice([len(found), draw.randrange(len(found) + 1)])])


def lines_of(content: bytes) -> Iterator[bytes]:
    """Yield the lines of a text by the rules' own words."""
    return (one for one in re.split(rb"\r?\n", content) if one.strip(b" \t\r"))


def day(seed: int, objects: int, lines_each: int, *, nul_fits: bool) -> Day:
    """Return a day and what it comes to.

    Args:
        seed: which day.
        objects: how many objects it has.
        lines_each: how many lines each has, but for what may follow the last.
        nul_fits: whether the warehouse's texts can hold U+0000.
    """
    draw = random.Random(seed)
    texts = [text(draw, lines_each) for _ in range(objects)]
    ids: dict[str, set[str]] = {}
    found = malformed = 0
    for one in (one for content in texts for one in lines_of(content)):
        row = rules.classify(one, nul_fits=nul_fits)
        ids.setdefault(row.table, set()).add(str(row.columns["id"]))
        found, malformed = found + 1, malformed + (row.columns.get("malformed") is True)
    return Day([stored(draw, content) for content in texts], found, malformed, ids)


def ids_in(rows: Sequence[tuple[object, ...]]) -> set[str]:
    """Return the ids of a table's rows."""
    return {str(row[0]) for row in rows}
