"""Charts as SVG: what lies where. The template only writes it down."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import groupby

WIDTH, HEIGHT = 720, 240
# Where the lines are: room for the numbers at the left and the days at the bottom.
LEFT, TOP, RIGHT, BOTTOM = 56, 12, 12, 28
MARKS = 4
# The days that are written at the bottom, at most.
LABELS = 6
# Rows of the table beneath a chart: above these, one row a week.
ROWS = 120
WEEK = 7

Value = float | None


@dataclass(frozen=True)
class Series:
    """A line: a value a day, and None for a day without one."""

    label: str
    values: Sequence[Value]
    # Averages are drawn so, in the colour of what they are the average of.
    dashed: bool = False
    colour: int = 0


@dataclass(frozen=True)
class Chart:
    """Lines over days."""

    # What it is called in addresses, and above.
    name: str
    title: str
    days: Sequence[date]
    series: Sequence[Series]

    @cached_property
    def top(self) -> float:
        """The number at the upper end of the scale: above every value, and a round one."""
        most = max((value for line in self.series for value in line.values if value is not None), default=0)
        step = _round_up(most / MARKS)
        return step * max(1, math.ceil(most / step))

    @property
    def scale(self) -> list[tuple[float, float]]:
        """The heights at which the scale is marked, with their numbers."""
        step = _round_up(self.top / MARKS)
        return [(self._y(step * n), step * n) for n in range(round(self.top / step) + 1)]

    @property
    def labels(self) -> list[tuple[str, date]]:
        """The places at which days are named."""
        every = max(1, math.ceil(len(self.days) / LABELS))
        # From the last one back: that is the one which is asked for.
        return [(self._places[n], self.days[n]) for n in range(len(self.days) - 1, -1, -every)][::-1]

    def lines(self, series: Series) -> list[str]:
        """Return the points of a series' lines, as SVG has them; a day without a value interrupts the line.

        Args:
            series: one of the chart's.
        """
        points = (
            "" if value is None else f"{x},{self._y(value):.1f}"
            for x, value in zip(self._places, series.values, strict=True)
        )
        return [" ".join(line) for there, line in groupby(points, bool) if there]

    def rows(self) -> list[tuple[date, list[Value]]]:
        """Return the numbers, the newest day first; of many days, one a week."""
        every = WEEK if len(self.days) > ROWS else 1
        last = len(self.days) - 1
        return [(self.days[n], [line.values[n] for line in self.series]) for n in range(last, -1, -every)]

    @cached_property
    def _places(self) -> list[str]:
        """Where each day is, from the left, as SVG has it."""
        step = (WIDTH - LEFT - RIGHT) / max(1, len(self.days) - 1)
        return [f"{LEFT + step * n:.1f}" for n in range(len(self.days))]

    def _y(self, value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / self.top)


def _round_up(number: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, 50 and so on; 1 is the least."""
    if number <= 1:
        return 1
    power = 10.0 ** math.floor(math.log10(number))
    return next(power * step for step in (1, 2, 5, 10) if number <= power * step)
