"""The days that are measured with: sample data of the real data's shape, or a folder of real files."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

from etl import sample_data

FIRST = date(2016, 2, 21)
# As many as the real data has, which are 152,484 lines of 49,846 events.
DAYS = 103
EVENTS_PER_DAY = 484
NAMED_BY_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}).*")


@dataclass(frozen=True)
class Days:
    """The contents of the objects of each day, in their order."""

    objects: Mapping[date, list[bytes]]

    def all_objects(self) -> list[bytes]:
        """Return the objects of all days."""
        return [content for contents in self.objects.values() for content in contents]

    def lines(self) -> list[bytes]:
        """Return the lines of all days, without blank ones."""
        return [line for content in self.all_objects() for line in content.splitlines() if line.strip()]


def days(folder: Path | None) -> Days:
    """Return what to measure with.

    Args:
        folder: where files named ``YYYY-MM-DD*`` lie, at any depth; by default, sample days.
    """
    if folder is None:
        found = ((FIRST + timedelta(days=number)) for number in range(DAYS))
        return Days({day: _sample(day) for day in found})
    objects: dict[date, list[bytes]] = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and (named := NAMED_BY_DAY.fullmatch(file.name)):
            objects.setdefault(date.fromisoformat(named[1]), []).append(file.read_bytes())
    if not objects:
        raise SystemExit(f"--data {folder}: there is no file named YYYY-MM-DD* in it")
    return Days(objects)


def _sample(day: date) -> list[bytes]:
    return [item.content for item in sample_data.day_objects(day, EVENTS_PER_DAY, seed=1)]


def logins(first: int, count: int) -> Iterator[bytes]:
    """Yield lines of different events, each as long as all others."""
    text = '{{"event_id":"{:032d}","timestamp":"2016-02-21 10:00:00","user_id":7,"event":"web_login"}}\n'
    return (text.format(number).encode() for number in islice(range(first, first + count), count))
