"""Many rows in one statement, for the databases whose drivers take long for one row after the other. Pure."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

Row = tuple[Any, ...]

# What any MySQL server takes; a longer row has a statement of its own.
MYSQL_CHARACTERS = 256 * 2**10
# More rows take hardly less time, and the memory of a statement that is kept.
SQLITE_ROWS = 500
_ESCAPES = str.maketrans({"\\": r"\\", "'": r"\'", "\0": r"\0"})


def for_mysql(statement: str, rows: Sequence[Row]) -> Iterator[str]:
    """Yield statements in which rows are written out.

    Args:
        statement: what writes one row, with a placeholder ``%s`` for each of its values.
        rows: at least one, of texts, numbers or None. Texts arrive as they are in any SQL mode that has
            escapes by backslash.
    """
    before, after = _around(statement, _placeholders("%s", rows[0]))
    written: list[str] = []
    characters = 0
    for row in rows:
        text = f"({', '.join(map(_literal, row))})"
        if written and characters + len(text) > MYSQL_CHARACTERS:
            yield before + ",".join(written) + after
            written, characters = [], 0
        written.append(text)
        characters += len(text)
    yield before + ",".join(written) + after


def for_sqlite(statement: str, rows: Sequence[Row]) -> Iterator[tuple[str, Row | list[Row]]]:
    """Yield statements for many rows, each with all of its parameters, and at the end the one for one row.

    Args:
        statement: what writes one row, with a placeholder ``?`` for each of its values.
        rows: at least one.
    """
    placeholders = _placeholders("?", rows[0])
    before, after = _around(statement, placeholders)
    # There are two texts of each statement, whatever the number of rows: the driver keeps all that it meets.
    for_many = before + ",".join([placeholders] * SQLITE_ROWS) + after
    left = iter(rows)
    while len(some := list(islice(left, SQLITE_ROWS))) == SQLITE_ROWS:
        yield for_many, tuple(chain.from_iterable(some))
    if some:
        yield statement, some


def _placeholders(one: str, row: Row) -> str:
    return f"({', '.join([one] * len(row))})"


def _around(statement: str, placeholders: str) -> tuple[str, str]:
    before, _, after = statement.partition(placeholders)
    return before, after


def _literal(value: str | float | None) -> str:
    if isinstance(value, str):
        if "'" in value or "\\" in value or "\0" in value:
            value = value.translate(_ESCAPES)
        return f"'{value}'"
    return "NULL" if value is None else str(value)
