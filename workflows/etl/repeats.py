"""Lines that are letter for letter those of before: sources send most events more than once. Pure."""

from collections.abc import Iterable, Sequence


class Repeats:
    """Drops lines that were there before, as far back as it remembers: its memory is bounded.

    Args:
        most_lines: after so many it begins to remember anew, and forgets those before as it fills up again.
        most_bytes: the same, for what these lines hold.
    """

    def __init__(self, most_lines: int, most_bytes: int) -> None:
        self._most_lines, self._most_bytes = most_lines, most_bytes
        self._recent: set[bytes] = set()
        self._recent_bytes = 0
        self._older: set[bytes] = set()

    def drop_from(self, lines: Sequence[bytes]) -> list[bytes]:
        """Return the lines that were not there before, each once, in their order.

        Args:
            lines: what follows on the lines that were given before.
        """
        if len(self._recent) >= self._most_lines or self._recent_bytes >= self._most_bytes:
            self._older, self._recent, self._recent_bytes = self._recent, set(), 0
        recent, older = self._recent, self._older
        new = [line for line in dict.fromkeys(lines) if line not in recent and line not in older]
        size = sum(map(len, new))
        if size <= self._most_bytes:
            recent.update(new)
            self._recent_bytes += size
        return new

    def forget(self, lines: Iterable[bytes]) -> None:
        """Take lines for new when they come again.

        Args:
            lines: some of those that were returned last.
        """
        self._recent.difference_update(lines)
