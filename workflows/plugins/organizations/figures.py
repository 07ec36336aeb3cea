"""What the statistics are called on the page."""

import re
from dataclasses import dataclass

from etl import statistics
from etl.event_classes import SOCIAL_NETWORKS

PROPER_NAMES = {network.lower(): network for network in SOCIAL_NETWORKS}
# The shapes of the statistics' names, and the time that each counts.
PERIODS = {
    re.compile("(.+)_past_week"): "past week",
    re.compile("average_weekly_(.+)"): "weekly average",
    re.compile("(.+)_past_month"): "past month",
}


@dataclass(frozen=True)
class Figure:
    """A statistic as the page shows it."""

    statistic: str
    # What is counted, such as "Twitter messages", and in which time.
    subject: str
    period: str

    @property
    def chart(self) -> str:
        """The name of the chart that it belongs to: such as "messages", of all networks."""
        return self.subject.split()[-1].lower()

    @property
    def heading(self) -> str:
        """Both, for where it stands alone."""
        return f"{self.subject}, {self.period}".removesuffix(", ")


def figure(statistic: str) -> Figure:
    """Return how a statistic is called.

    Args:
        statistic: its name in the warehouse.
    """
    for pattern, period in PERIODS.items():
        if found := pattern.fullmatch(statistic):
            return Figure(statistic, _subject(found.group(1)), period)
    return Figure(statistic, _subject(statistic), "")


def _subject(name: str) -> str:
    words = name.removeprefix("num_").removesuffix("_sent").split("_")
    first = PROPER_NAMES.get(words[0], words[0].capitalize())
    return " ".join([first, *words[1:]])


STATISTICS = tuple(statistic.name for statistic in statistics.STATISTICS)
FIGURES = tuple(figure(statistic) for statistic in STATISTICS)
CHARTS = tuple(dict.fromkeys(each.chart for each in FIGURES))
