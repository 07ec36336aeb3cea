"""Many rows in one statement: every row once, in its order, and each value as it is."""

import pytest
from etl import statements

INTO_MYSQL = "INSERT INTO t (id, n) VALUES (%s, %s) ON DUPLICATE KEY UPDATE n = VALUES(n)"
INTO_SQLITE = "INSERT INTO t (id, n) VALUES (?, ?) ON CONFLICT (id) DO NOTHING"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain, (really) 100%s", "'plain, (really) 100%s'"),
        ("Bobby'; DROP TABLE students", r"'Bobby\'; DROP TABLE students'"),
        ("a\\", r"'a\\'"),
        ("\0'", r"'\0\''"),
        ('"é\n"', "'\"é\n\"'"),
        (None, "NULL"),
        (-(2**31), "-2147483648"),
        (0.25, "0.25"),
    ],
)
def test_a_value_in_a_statement_for_mysql(value: str | float | None, written: str) -> None:
    assert list(statements.for_mysql(INTO_MYSQL, [("a", value)])) == [
        f"INSERT INTO t (id, n) VALUES ('a', {written}) ON DUPLICATE KEY UPDATE n = VALUES(n)"
    ]


def test_statements_for_mysql_have_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "MYSQL_CHARACTERS", 20)
    rows = [("a", 1), ("b", 2), ("longer than all of it", 3), ("c", 4)]
    values = ["('a', 1),('b', 2)", "('longer than all of it', 3)", "('c', 4)"]
    written = list(statements.for_mysql(INTO_MYSQL, rows))
    assert written == [INTO_MYSQL.replace("(%s, %s)", some) for some in values]


@pytest.mark.parametrize("number", [1, 2, 3, 6, 7])
def test_rows_for_sqlite_are_cut_into_statements_of_two_texts(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "SQLITE_ROWS", 3)
    rows = [(str(n), n) for n in range(number)]
    given: list[tuple[object, ...]] = []
    for text, values in statements.for_sqlite(INTO_SQLITE, rows):
        if text == INTO_SQLITE:
            given += values
        else:
            assert text == INTO_SQLITE.replace("(?, ?)", "(?, ?),(?, ?),(?, ?)")
            given += zip(values[::2], values[1::2], strict=True)
    assert given == rows
