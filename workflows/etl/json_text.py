"""JSON as it is written: what parsers would change of a line, or refuse to read at any depth."""

import re

import msgspec

MAX_NESTING = 10_000
# What the parser may take at once: it shares the interpreter's limit of 1,000 with whoever calls it.
LEVELS_AT_ONCE = 200

# Possessive throughout, so that no text takes longer than its length asks.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?'
_BRACKET_OR_STRING = re.compile(rb"[][{}]|" + _STRING, re.DOTALL)
_TOKENS_THEN_SPACE = re.compile(rb'((?:[^" \t\r\n]++|' + _STRING + rb")++)|[ \t\r\n]++", re.DOTALL)
_ARRAY_BEGINS = re.compile(rb"[ \t\r]*\[[ \t\r]*(?:\{|$)")
_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE_HALF = re.compile(rb"(" + _HIGH + _LOW + rb"|\\[^u])|" + _HIGH + rb"|" + _LOW, re.DOTALL)


def compact(line: bytes) -> str:
    """Return a line without the white space between its tokens, and nothing else changed.

    Args:
        line: JSON in UTF-8.
    """
    if not is_deep(line):
        try:
            return msgspec.json.format(line, indent=-1).decode()
        except msgspec.DecodeError:
            # Half a surrogate pair, which the parser refuses.
            pass
    # Not joined from a list: a long line has millions of tokens.
    tokens = bytearray()
    for match in _TOKENS_THEN_SPACE.finditer(line):
        tokens += match[1] or b""
    return tokens.decode()


def without_lone_surrogates(line: bytes) -> bytes:
    r"""Return a line with each escape of half a surrogate pair made a byte that is no UTF-8 either.

    It is JSON (``"\ud800"``), yet no text that could be stored or compared, and the parser refuses it.

    Args:
        line: JSON.
    """
    if not _HALF_PAIR.search(line):
        return line
    return _LONE_HALF.sub(lambda match: match[1] or b"\xff", line)


def is_deep(line: bytes) -> bool:
    """Tell whether a line may be nested deeper than a parser takes at once."""
    return len(line) > LEVELS_AT_ONCE and line.count(b"[") + line.count(b"{") > LEVELS_AT_ONCE


def pieces(line: bytes) -> list[bytes] | None:
    """Cut a line into pieces that a parser takes at once: all are JSON if and only if the line is.

    Args:
        line: what may be JSON.

    Returns:
        The pieces, the last of them the line's own upper levels with each piece below made a ``0``. None for
        a line whose brackets don't match, or that is nested deeper than 10,000 levels.
    """
    cut: list[bytes] = []
    # Of each piece that is still open: what it has so far, and up to where the line is in it or its pieces.
    open_pieces = [(bytearray(), 0)]
    depth = 0
    for match in _BRACKET_OR_STRING.finditer(line):
        bracket = match[0]
        if bracket in b"[{":
            if depth == MAX_NESTING:
                return None
            if depth and depth % LEVELS_AT_ONCE == 0:
                piece, copied = open_pieces[-1]
                piece += line[copied : match.start()] + b"0"
                open_pieces.append((bytearray(), match.start()))
            depth += 1
        elif bracket in b"]}":
            if depth == 0:
                return None
            depth -= 1
            if depth and depth % LEVELS_AT_ONCE == 0:
                piece, copied = open_pieces.pop()
                cut.append(bytes(piece + line[copied : match.end()]))
                open_pieces[-1] = (open_pieces[-1][0], match.end())
    if depth:
        return None
    ((piece, copied),) = open_pieces
    return [*cut, bytes(piece + line[copied:])]


def is_array_of(first: bytes, last: bytes) -> bool:
    """Tell whether a text is one JSON array of objects, and not JSON lines.

    Args:
        first: its first line that is not blank.
        last: its last one; the same where there is but one.
    """
    if not _ARRAY_BEGINS.match(first) or not last.rstrip(b" \t\r").endswith(b"]"):
        return False
    if first is last:
        return True
    try:
        msgspec.json.decode(first, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        # It goes on.
        return True
    return False
