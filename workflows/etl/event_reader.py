"""Makes a reader of lines from the classes of events. Pure.

The classes' rules are written out as a Python function, as dataclasses write theirs: a loop over the classes
and their fields would take half as long again for a line.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from etl.fields import UNFIT, EventClass, Path, first_byte

Values = tuple[Any, ...]
# The class's name, the values of its columns, and whether the line is malformed, which none of a class is.
Event = tuple[str, Values, bool]
Reader = Callable[[bytes], Event | None]

_values_of = msgspec.structs.astuple


def reader(classes: Sequence[EventClass], *, exact: bool) -> Reader:
    """Return what reads a line, and gives None for one of no class.

    It raises ``msgspec.DecodeError`` for a line that it can't read.

    Args:
        classes: in the order in which they are tried.
        exact: whether it takes any JSON, by the exact rules of each kind, or well-formed values only, fast.
    """
    types = _types(classes, exact=exact)
    variables = {path: f"value_{number}" for number, path in enumerate(types)}
    names: dict[str, Any] = {"values_of": _values_of, "unfit": UNFIT}
    own = {key: type_ for (within, key), type_ in types.items() if within is None}
    unpacked = [variables[None, key] for key in own]
    steps = []
    for number, outer in enumerate(dict.fromkeys(within for within, _ in types if within is not None)):
        inner = {key: type_ for (within, key), type_ in types.items() if within == outer}
        struct = _struct(inner)
        own[outer] = Raw if exact else struct
        names[f"nothing_{number}"] = _values_of(struct())
        names[f"values_of_{number}"] = _values_of_object(struct) if exact else _values_of
        unpacked.append(f"object_{number}")
        steps.append(
            f" {_listed(variables[outer, key] for key in inner)}"
            f" = nothing_{number} if object_{number} is None else values_of_{number}(object_{number})"
        )
    names["decode"] = msgspec.json.Decoder(_struct(own)).decode
    rules = [step for class_ in classes for step in _rule(class_, types, variables, names)]
    source = [
        "def read(line):",
        f" {_listed(unpacked)} = values_of(decode(line))",
        *steps,
        *rules,
        " return None",
    ]
    exec("\n".join(source), names)  # noqa: S102 - names of its own, and values as they are written in Python
    read: Reader = names["read"]
    return read


def _types(classes: Sequence[EventClass], *, exact: bool) -> dict[Path, Any]:
    """Return what the value at each place is decoded to. What is of several kinds, each reads by its rule."""
    types: dict[Path, Any] = {}
    for field in (field for class_ in classes for field in class_.fields):
        type_ = Raw if exact else field.kind.well_formed
        types[field.path] = type_ if types.get(field.path, type_) == type_ else Raw
    return types


def _struct(types: dict[str, Any]) -> type[msgspec.Struct]:
    # A null is no value of any kind, so it is as good as nothing.
    fields = [
        (f"field_{number}", type_ if type_ is Raw else type_ | None, msgspec.field(default=None, name=key))
        for number, (key, type_) in enumerate(types.items())
    ]
    return msgspec.defstruct("Fields", fields, gc=False)


def _values_of_object(struct: type[msgspec.Struct]) -> Callable[[Raw], Values]:
    decode, nothing = msgspec.json.Decoder(struct).decode, _values_of(struct())
    return lambda raw: _values_of(decode(raw)) if first_byte(raw) == b"{" else nothing


def _rule(
    class_: EventClass, types: dict[Path, Any], variables: dict[Path, str], names: dict[str, Any]
) -> list[str]:
    """Write out one class: all required fields have values of their kinds, and all values fit."""
    present, finished, complete, unfit, columns = [], [], [], [], []
    for number, field in enumerate(class_.fields):
        value = variables[field.path]
        is_raw = types[field.path] is Raw
        finish = field.kind.read if is_raw else field.kind.finish
        if not field.optional:
            present.append(f"{value} is not None")
        if finish is None:
            columns.append(value)
            continue
        column = f"column_{number}"
        columns.append(column)
        function = f"{class_.name}_{number}"
        names[function] = finish
        finished.append(
            f"  {column} = {f'None if {value} is None else ' if field.optional else ''}{function}({value})"
        )
        if not field.optional:
            complete.append(f"{column} is not None")
        if is_raw:
            unfit.append(f"{column} is unfit")
    event = f"({class_.name!r}, ({_listed(columns)}), False)"
    return [
        f" if {' and '.join(reversed(present))}:",
        *finished,
        f"  if {' and '.join(complete) or 'True'}:",
        f"   return None if {' or '.join(unfit) or 'False'} else {event}",
    ]


def _listed(names: Iterable[str]) -> str:
    return "".join(f"{name}, " for name in names)
