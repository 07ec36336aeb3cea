"""Lines that are there again are dropped, as far back as is remembered."""

from etl.repeats import Repeats


def lines(text: str) -> list[bytes]:
    return [character.encode() for character in text]


def test_each_line_comes_once_in_the_order_of_the_first() -> None:
    repeats = Repeats(10, 1_000)
    assert repeats.drop_from(lines("abacb")) == lines("abc")
    assert repeats.drop_from(lines("dcae")) == lines("de")


def test_what_was_remembered_longest_is_forgotten_first() -> None:
    repeats = Repeats(2, 1_000)
    repeats.drop_from(lines("ab"))
    repeats.drop_from(lines("cd"))
    assert repeats.drop_from(lines("abcd")) == lines("ab")


def test_lines_that_are_forgotten_are_new_again() -> None:
    repeats = Repeats(10, 1_000)
    repeats.drop_from(lines("abc"))
    repeats.forget(lines("b"))
    assert repeats.drop_from(lines("abc")) == lines("b")


def test_more_bytes_than_can_be_remembered_are_not() -> None:
    repeats = Repeats(10, 4)
    long = [b"longer", b"longer", b"x"]
    assert repeats.drop_from(long) == [b"longer", b"x"]
    assert repeats.drop_from(long) == [b"longer", b"x"]
