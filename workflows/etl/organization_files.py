"""Reads organizations and members from what the application exports. Pure: bytes in, rows out.

A file is CSV with a header or JSON lines. Each row is an organization (``organization_id`` and
``organization_name``) or a member (``organization_id`` and ``user_id``), told apart by the names of its
fields; ``created_date`` and ``modified_date`` may stand beside either.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from typing import Any, NamedTuple

from etl.values import MAX_INTEGER, MIN_INTEGER, to_timestamp

MAX_NAME_LENGTH = 255
DATES = ("created_date", "modified_date")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,9})?")


class Organization(NamedTuple):
    """An organization as the file has it; dates are None where it has none."""

    organization_id: int
    organization_name: str
    created_date: str | None
    modified_date: str | None


class Member(NamedTuple):
    """That a user belongs to an organization; dates are None where the file has none."""

    organization_id: int
    user_id: int
    created_date: str | None
    modified_date: str | None


Row = Organization | Member
# Which fields tell what a row is.
KINDS: dict[frozenset[str], type[Organization] | type[Member]] = {
    frozenset({"organization_id", "organization_name"}): Organization,
    frozenset({"organization_id", "user_id"}): Member,
}


@dataclass
class Reading:
    """What has been found in one file so far."""

    bad_lines: list[tuple[int, str]] = field(default_factory=list)

    def rows(self, lines: Iterable[bytes]) -> Iterator[tuple[int, Row]]:
        """Yield the rows with the numbers of their lines; what can't be read goes to ``bad_lines``.

        Args:
            lines: the file's, with their ends.
        """
        texts = self._texts(lines)
        first = next(((number, text) for number, text in texts if text.strip()), None)
        if first is None:
            return
        number, text = first
        numbered = chain([first], texts)
        if text.lstrip().startswith("["):
            self.bad_lines.append((number, "begins a JSON array: write one object a line instead"))
        elif text.lstrip().startswith("{"):
            yield from self._json_lines(numbered)
        else:
            yield from self._csv(number, numbered)

    def _texts(self, lines: Iterable[bytes]) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(lines, 1):
            try:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                self.bad_lines.append((number, "is not UTF-8"))
                if number == 1:
                    # It would have said what the others are.
                    return
                yield number, ""

    def _json_lines(self, texts: Iterator[tuple[int, str]]) -> Iterator[tuple[int, Row]]:
        for number, text in texts:
            if not text.strip():
                continue
            try:
                value = json.loads(
                    text,
                    parse_int=Decimal,
                    parse_float=Decimal,
                    object_pairs_hook=_object,
                    parse_constant=_none,
                )
                yield number, _row(value)
            except _BadError as error:
                self.bad_lines.append((number, str(error)))
            except (ValueError, ArithmeticError, RecursionError):
                self.bad_lines.append((number, "is not JSON"))

    def _csv(self, first: int, texts: Iterator[tuple[int, str]]) -> Iterator[tuple[int, Row]]:
        reader = csv.reader((text for _, text in texts), strict=True)
        before = first - 1
        header: list[str] | None = None
        while True:
            # A quoted value may go over several lines; the first one is where a reader would look.
            number = before + reader.line_num + 1
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self.bad_lines.append((number, f"is not CSV: {error}"))
                return
            try:
                if header is None:
                    _kind(values)
                    header = values
                elif values:
                    yield number, _row(_record(header, values))
            except _BadError as error:
                self.bad_lines.append((number, str(error)))
                if header is None:
                    return


class _BadError(Exception):
    """What is wrong with a line, to stand after its number."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise _BadError("has a field twice")
    return dict(pairs)


def _none(text: str) -> None:
    raise ValueError(text)


def _record(header: list[str], values: list[str]) -> dict[str, Any]:
    if len(values) != len(header):
        raise _BadError(f"has {len(values)} values, and the header {len(header)} names")
    record: dict[str, Any] = {}
    for name, text in zip(header, values, strict=True):
        if name.endswith("_id"):
            record[name] = Decimal(text) if _NUMBER.fullmatch(text) else text
        else:
            record[name] = text or None
    return record


def _kind(names: Iterable[str]) -> type[Organization] | type[Member]:
    given = list(names)
    if len(set(given)) < len(given):
        raise _BadError("has a name twice")
    kind = KINDS.get(frozenset(given) - set(DATES))
    if kind is None:
        raise _BadError(
            f"has the fields {', '.join(given)}: they must be organization_id and organization_name, or "
            f"organization_id and user_id; {' and '.join(DATES)} may stand beside them"
        )
    return kind


def _row(record: Any) -> Row:
    if not isinstance(record, dict):
        raise _BadError("is no JSON object")
    kind = _kind(record)
    dates = tuple(_date(record, name) for name in DATES)
    organization_id = _integer(record, "organization_id")
    if kind is Organization:
        return Organization(organization_id, _name(record), *dates)
    return Member(organization_id, _integer(record, "user_id"), *dates)


def _integer(record: Mapping[str, Any], name: str) -> int:
    value = record[name]
    if not isinstance(value, Decimal):
        raise _BadError(f"has {name} {value!r}, which is no number")
    if not MIN_INTEGER <= value <= MAX_INTEGER:
        raise _BadError(f"has {name} {value}, which is not between {MIN_INTEGER} and {MAX_INTEGER}")
    if value != value.to_integral_value():
        raise _BadError(f"has {name} {value}, which is no whole number")
    return int(value)


def _name(record: Mapping[str, Any]) -> str:
    name = record["organization_name"]
    if not (isinstance(name, str) and name):
        raise _BadError(
            "has no organization_name" if not name else "has an organization_name that is no text"
        )
    if len(name) > MAX_NAME_LENGTH:
        raise _BadError(f"has an organization_name of {len(name)} characters; {MAX_NAME_LENGTH} fit")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise _BadError("has an organization_name with half of a character") from None
    return name


def _date(record: Mapping[str, Any], name: str) -> str | None:
    text = record.get(name)
    if text is None:
        return None
    if not (isinstance(text, str) and to_timestamp(text)):
        raise _BadError(f"has {name} {text!r}, which is not written as YYYY-MM-DD HH:MM:SS")
    return text
