"""Sample days of the shape that real ones have: the same seed gives the same bytes.

Real producers send each event about three times, within and across objects, and send junk: unknown
shapes, wrong types, missing parts, names full of quotes, lines that were cut off.
"""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from io import StringIO
from random import Random
from typing import Any

ORGANIZATIONS = 40
USERS = 400
NETWORKS = ("Twitter", "Facebook", "Instagram", "LinkedIn")
NETWORKS_SEEN = (*NETWORKS, "MySpace", None)
USER_EVENTS = ("web_login", "android_login", "ios_login", "message_sent", "message_sent", "profile_edited")
ORGANIZATION_EVENTS = ("file_support_ticket", "plan_changed", "user_invited")
FIRST_NAMES = (
    "Acme",
    "Blue",
    "Cobalt",
    "Delta",
    "Evergreen",
    "Fjord",
    "Granite",
    "Harbor",
    "Ivory",
    "Juniper",
)
LAST_NAMES = ("Analytics", "Bakery", "Charter", "Devices")
JUNK_NAMES = (
    'Bobby"; DROP TABLE students',
    "Robert'); DROP TABLE user_event;--",
    "back\\slash and % and _",
    "naïve café",
    "NAÏVE CAFÉ",
    "emoji 🎉👩‍🚀",
    "tab\tnew\nline\x07bell",
    "trailing space ",
    "名前",
    "",
)
SINCE = "2015-06-01 00:00:00"


@dataclass(frozen=True)
class SampleObject:
    """One object of a day: its name within the day's folder, and its bytes."""

    name: str
    content: bytes


def organizations(seed: int) -> list[tuple[int, str, str, str]]:
    """Return the rows of the table ``organization``.

    Args:
        seed: which sample.
    """
    random = Random(f"{seed} organizations")
    names = [f"{first} {last}" for first in FIRST_NAMES for last in LAST_NAMES]
    random.shuffle(names)
    return [(number, name, SINCE, SINCE) for number, name in enumerate(names[:ORGANIZATIONS], 1)]


def organization_users(seed: int) -> list[tuple[int, int, str, str]]:
    """Return the rows of the table ``organization_user``: some users in two organizations, some in none.

    Args:
        seed: which sample.
    """
    random = Random(f"{seed} members")
    members = set()
    for user_id in range(1, USERS + 1):
        for _ in range(random.choices((0, 1, 2), (1, 8, 1))[0]):
            members.add((_organization(random), user_id))
    return [(organization_id, user_id, SINCE, SINCE) for organization_id, user_id in sorted(members)]


def as_csv(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> bytes:
    """Return rows as CSV with a header.

    Args:
        header: the columns' names.
        rows: their values.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def day_objects(day: date, events: int, seed: int) -> list[SampleObject]:
    """Return the objects of one day, three or four of them.

    Args:
        day: the UTC day.
        events: how many different events it has; the lines are about three times as many.
        seed: which sample.
    """
    random = Random(f"{seed} {day}")
    lines = [
        line
        for line in _lines(random, day, events)
        for _ in range(random.choices((1, 2, 3, 4, 5), (10, 20, 40, 20, 10))[0])
    ]
    random.shuffle(lines)
    count = random.choice((3, 4))
    return [
        SampleObject(f"events-{index}.json", b"".join(line + b"\n" for line in lines[index::count]))
        for index in range(count)
    ]


def _lines(random: Random, day: date, events: int) -> Iterator[bytes]:
    kinds: tuple[Callable[[Random, date], bytes], ...] = (
        _user_event,
        _payment,
        _organization_event,
        _unknown,
        _broken,
    )
    for kind in random.choices(kinds, (78, 6, 9, 6, 1), k=events):
        yield kind(random, day)


def _organization(random: Random) -> int:
    # A few organizations have most of the members, as everywhere.
    return min(int(random.paretovariate(0.6)), ORGANIZATIONS)


def _encoded(random: Random, event: dict[str, Any]) -> bytes:
    style = random.choices(((",", ":"), (", ", ": ")), (3, 1))[0]
    return json.dumps(event, ensure_ascii=random.random() < 0.5, separators=style).encode()


def _common(random: Random, day: date, name: str) -> dict[str, Any]:
    at = datetime.combine(day, time()) + timedelta(seconds=random.randrange(86_400))
    if random.random() < 0.02:
        name = random.choice(JUNK_NAMES)
    return {"event_id": f"{random.getrandbits(128):032x}", "timestamp": f"{at}", "event": name}


def _user_event(random: Random, day: date) -> bytes:
    event = _common(random, day, random.choice(USER_EVENTS))
    event["user_id"] = random.randint(1, USERS + 20)
    network = random.choices(NETWORKS_SEEN, (30, 25, 20, 15, 5, 5))[0]
    if event["event"] == "message_sent" or random.random() < 0.2:
        event["extra_data"] = {"social_network_type": network}
    return _encoded(random, event)


def _payment(random: Random, day: date) -> bytes:
    event = _common(random, day, "subscription_payment")
    event["organization_id"] = _organization(random)
    amount: float | str = round(random.uniform(5, 500), random.choice((0, 2, 2, 2, 3)))
    if random.random() < 0.05:
        amount = str(amount)
    processor = random.choices(("Chase", "PayPal", "Stripe"), (10, 10, 1))[0]
    event["extra_data"] = {"payment_amount": amount, "payment_processor": processor}
    return _encoded(random, event)


def _organization_event(random: Random, day: date) -> bytes:
    event = _common(random, day, random.choice(ORGANIZATION_EVENTS))
    event["organization_id"] = random.choice(
        (_organization(random), _organization(random), ORGANIZATIONS + 5)
    )
    return _encoded(random, event)


def _unknown(random: Random, day: date) -> bytes:
    event = _common(random, day, "web_login") | {"user_id": random.randint(1, USERS)}
    wrong: dict[str, Any] = {
        "user_id": random.choice(("17", None, True, 5.5, 2**31, [1])),
        "timestamp": random.choice((f"{day}T10:00:00Z", "2016-02-30 10:00:00", 1456135200, "")),
        "event_id": random.choice((None, 12, "x" * 101)),
        "event": random.choice((None, 3.5, "long " * 60, ["web_login"])),
    }
    field = random.choice(sorted(wrong))
    if random.random() < 0.3:
        del event[field]
    else:
        event[field] = wrong[field]
    return _encoded(random, event)


def _broken(random: Random, day: date) -> bytes:
    line = _user_event(random, day)
    return random.choice(
        (line[: len(line) // 2], b"\xff\xfe" + line, line + b"}", b"ERROR upstream timed out")
    )
