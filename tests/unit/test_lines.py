"""The lines of a text: where they end, which are blank, and how long they may be."""

import io
import re

import pytest
from etl import lines
from etl.errors import EtlError
from hypothesis import given
from hypothesis import strategies as st

NAME = "s3://bucket/events/2016/02/22/0.json of 2016-02-22"


def read(text: bytes) -> list[bytes]:
    found = list(lines.batches(io.BytesIO(text), NAME))
    assert all(found)
    return [line for batch in found for line in batch]


def by_the_rules(text: bytes) -> list[bytes]:
    return [line for line in re.split(rb"\r?\n", text) if line.strip(b" \t\r")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"a\nb\r\nc", [b"a", b"b", b"c"]),
        (b"\n\r\n \n\t \r\n\r\r\na", [b"a"]),
        (b" a \n\tb\t", [b" a ", b"\tb\t"]),
        (b"a\rb\x0bc\x0cd\x1ce\x1df\x1eg", [b"a\rb\x0bc\x0cd\x1ce\x1df\x1eg"]),
        ("a\u0085b\u2028c\u2029d".encode(), ["a\u0085b\u2028c\u2029d".encode()]),
        (b"\x0b\n\x0c\n\xc2\xa0\n\x00", [b"\x0b", b"\x0c", b"\xc2\xa0", b"\x00"]),
        # One end of a line, and no more, is taken off.
        (b"a\r\r\nb\r", [b"a\r", b"b\r"]),
    ],
)
def test_lines_end_at_newline_or_carriage_return_newline_only(text: bytes, expected: list[bytes]) -> None:
    assert read(text) == expected == by_the_rules(text)


@given(st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b" ", b"\t", b"a", b"{}", b"\x0b", b"\x85"])))
def test_any_text_has_the_lines_it_has_whatever_is_read_at_once(parts: list[bytes]) -> None:
    text = b"".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        for chunk in (1, 2, 3, 2**20):
            patch.setattr(lines, "CHUNK_BYTES", chunk)
            assert read(text) == by_the_rules(text)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\nb", b"\r\nb\n"])
@pytest.mark.parametrize("chunk", [7, 100, 999])
def test_a_line_that_is_too_long_is_an_error_that_says_where_and_how_long(
    end: bytes, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "CHUNK_BYTES", chunk)
    monkeypatch.setattr(lines, "LONGEST_LINE_BYTES", 1000)
    before = b"a\n\nb\r\n"
    assert read(before + b"x" * 1000 + end) == [b"a", b"b", b"x" * 1000, *([b"b"] if b"b" in end else [])]
    for size in (1001, 1002, 5000):
        with pytest.raises(EtlError) as error:
            read(before + b"x" * size + end)
        assert str(error.value).startswith(f"line 4 of {NAME} has {size:,} bytes, and 1,000 are the most")


def test_lines_are_as_long_as_64_mib() -> None:
    assert lines.LONGEST_LINE_BYTES == 64 * 2**20
