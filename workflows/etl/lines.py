"""The lines of a text, many at a time."""

from collections.abc import Iterator
from typing import IO

from etl.errors import EtlError

CHUNK_BYTES = 2**20
# What MySQL takes in one statement, with room to spare for its escapes.
LONGEST_LINE_BYTES = 64 * 2**20


def batches(text: IO[bytes], name: str) -> Iterator[list[bytes]]:
    r"""Yield the lines that are not blank, without their ends, which are ``\n`` or ``\r\n``.

    Args:
        text: what to read, about a MiB at a time.
        name: what messages call it.

    Yields:
        Lines in their order; never an empty list.

    Raises:
        EtlError: a line is longer than 64 MiB.
    """
    number = 1
    unfinished: list[bytes] = []
    size = 0
    while chunk := text.read(CHUNK_BYTES):
        *complete, tail = chunk.split(b"\n")
        if complete:
            complete[0] = b"".join([*unfinished, complete[0]])
            _check_length(len(complete[0].removesuffix(b"\r")), number, name)
            number += len(complete)
            unfinished, size = [], 0
            if kept := _not_blank(complete, ends_vary=b"\r" in chunk or b"\r" in complete[0]):
                yield kept
        unfinished.append(tail)
        size += len(tail)
        if size > LONGEST_LINE_BYTES + 1:
            _check_length(_size_to_the_end(text, size, tail), number, name)
    last = b"".join(unfinished)
    _check_length(len(last), number, name)
    if kept := _not_blank([last], ends_vary=False):
        yield kept


def _not_blank(lines: list[bytes], *, ends_vary: bool) -> list[bytes]:
    if ends_vary:
        lines = [line.removesuffix(b"\r") for line in lines]
    return [line for line in lines if line.strip(b" \t\r")]


def _size_to_the_end(text: IO[bytes], size: int, tail: bytes) -> int:
    """Read a line to its end without keeping it, and return how long it is."""
    last = tail[-1:]
    while chunk := text.read(CHUNK_BYTES):
        before, newline, _after = chunk.partition(b"\n")
        size += len(before)
        last = before[-1:] or last
        if newline:
            return size - (last == b"\r")
    return size


def _check_length(size: int, number: int, name: str) -> None:
    if size > LONGEST_LINE_BYTES:
        raise EtlError(
            f"line {number:,} of {name} has {size:,} bytes, and {LONGEST_LINE_BYTES:,} are the most "
            "that a line may have: is it one event?"
        )
