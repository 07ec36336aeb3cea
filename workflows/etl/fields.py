"""What classes of events are made of: fields, each of a kind, read from a place in the JSON. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Raw

from etl.values import MAX_INTEGER, MIN_INTEGER, to_cents, to_integer, to_timestamp

MAX_TEXT_LENGTH = 100


class Unfit(Enum):
    """Says of a value that it is of its kind, and that no column holds it."""

    UNFIT = auto()


UNFIT = Unfit.UNFIT
# What the warehouse takes; None for what is of another kind.
Value = str | int | None
# The key of the object that a value stands in, None for the event itself; and its own.
Path = tuple[str | None, str]


class Kind(Protocol):
    """What values a field has, and how they are read."""

    @property
    def well_formed(self) -> Any:
        """The type that a fast decoder takes values for. What it refuses, ``read`` may still take."""

    @property
    def finish(self) -> Callable[[Any], Value | Unfit] | None:
        """What makes the value of what that decoder gives; None where that is the value."""

    def read(self, raw: Raw) -> Value | Unfit:
        """Return the value that any JSON has, by the exact rule.

        Args:
            raw: the JSON as it is written.
        """


@dataclass(frozen=True)
class Text:
    """A text, kept as it is. A longer one does not fit."""

    max_length: int = MAX_TEXT_LENGTH
    finish = None

    @property
    def well_formed(self) -> Any:
        """A text that fits."""
        return Annotated[str, msgspec.Meta(max_length=self.max_length)]

    def read(self, raw: Raw) -> Value | Unfit:
        """Return the text."""
        text = _text(raw)
        return UNFIT if text is not None and len(text) > self.max_length else text


@dataclass(frozen=True)
class OneOf:
    """One of some texts, of 20 characters at most."""

    texts: tuple[str, ...]
    well_formed = str

    @property
    def finish(self) -> Callable[[str], str | None]:
        """One of the texts."""
        return {text: text for text in self.texts}.get

    def read(self, raw: Raw) -> Value | Unfit:
        """Return the text."""
        text = _text(raw)
        return text if text in self.texts else None


@dataclass(frozen=True)
class Timestamp:
    """Exactly ``YYYY-MM-DD HH:MM:SS``, of a day that exists, in UTC."""

    well_formed = str
    finish = staticmethod(to_timestamp)

    def read(self, raw: Raw) -> Value | Unfit:
        """Return the timestamp as it is written."""
        text = _text(raw)
        return None if text is None else self.finish(text)


@dataclass(frozen=True)
class Integer:
    """A number without a fraction, however written. Beyond 32 bits it does not fit."""

    well_formed = Annotated[int, msgspec.Meta(ge=MIN_INTEGER, le=MAX_INTEGER)]
    finish = None

    def read(self, raw: Raw) -> Value | Unfit:
        """Return the integer."""
        number = _number(raw)
        value = None if number is None else to_integer(number)
        return value if value is None or MIN_INTEGER <= value <= MAX_INTEGER else UNFIT


@dataclass(frozen=True)
class Amount:
    """A number of at most nine digits before its fraction, rounded half away from zero to cents."""

    well_formed = Raw

    @property
    def finish(self) -> Callable[[Raw], Value | Unfit]:
        """The exact rule: a float would not be the number as it is written."""
        return self.read

    def read(self, raw: Raw) -> Value | Unfit:
        """Return the amount with two decimals."""
        number = _number(raw)
        cents = None if number is None else to_cents(number)
        return None if cents is None else str(cents)


@dataclass(frozen=True)
class Field:
    """A field of events, and the column that it becomes.

    Attributes:
        column: the column's name.
        kind: what values it has.
        key: its name in the JSON; by default the column's.
        within: the key of the object that it stands in; by default it is one of the event's own.
        optional: whether an event without a value of that kind is of the class all the same: its column is
            empty then.
    """

    column: str
    kind: Kind
    key: str = ""
    within: str | None = None
    optional: bool = False

    @property
    def path(self) -> Path:
        """Where it stands in the JSON."""
        return self.within, self.key or self.column


@dataclass(frozen=True)
class EventClass:
    """A class of events and its table, which have one name.

    Attributes:
        name: the table's name.
        fields: what an event of the class has, in the order of the columns; the first is its ``id``.
        indexes: of the table, the columns of each by the end of its name, which begins with the table's.
    """

    name: str
    fields: tuple[Field, ...]
    indexes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.fields or self.fields[0].column != "id" or self.fields[0].optional:
            raise ValueError(f"the first field of {self.name} must be its id")


_decode_text = msgspec.json.Decoder(str).decode


def _text(raw: Raw) -> str | None:
    if first_byte(raw) != b'"':
        return None
    try:
        return _decode_text(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Half a surrogate pair.
        return None


def _number(raw: Raw) -> str | None:
    text = bytes(raw)
    return text.decode() if text[0] in b"-0123456789" else None


def first_byte(raw: Raw) -> bytes:
    """Return the byte that tells what type of JSON a value is.

    Args:
        raw: the value, as it is written.
    """
    return bytes(memoryview(raw)[:1])
