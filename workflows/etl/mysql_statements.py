"""Rows written out in statements for MySQL, many in one. Pure.

The driver would write them out one value at a time while nothing else can run, which takes as long as the
server takes to store them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

# What any server takes; a longer row has a statement of its own.
STATEMENT_CHARACTERS = 256 * 2**10
_ESCAPES = str.maketrans({"\\": r"\\", "'": r"\'", "\0": r"\0"})


def statements(statement: str, rows: Sequence[tuple[Any, ...]]) -> Iterator[str]:
    """Yield statements that write rows.

    Args:
        statement: what writes one row, with a placeholder ``%s`` for each of its values.
        rows: values that are texts, numbers or None. Their texts are taken for what they are by any SQL mode
            that has escapes by backslash.
    """
    placeholders = f"({', '.join(['%s'] * len(rows[0]))})"
    before, _, after = statement.partition(placeholders)
    written: list[str] = []
    characters = 0
    for row in rows:
        text = f"({', '.join(map(_literal, row))})"
        if written and characters + len(text) > STATEMENT_CHARACTERS:
            yield before + ",".join(written) + after
            written, characters = [], 0
        written.append(text)
        characters += len(text)
    yield before + ",".join(written) + after


def _literal(value: Any) -> str:
    if isinstance(value, str):
        if "'" in value or "\\" in value or "\0" in value:
            value = value.translate(_ESCAPES)
        return f"'{value}'"
    return "NULL" if value is None else str(value)
