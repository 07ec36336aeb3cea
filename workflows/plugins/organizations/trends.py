"""Statistics over days, as charts: of one organization, or of all together."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from etl.organization_queries import Values

from organizations.charts import Chart, Series
from organizations.figures import CHARTS, FIGURES


def charts(days: Sequence[date], values: Mapping[date, Values], finished: Collection[date]) -> list[Chart]:
    """Return the charts of all statistics.

    Args:
        days: the days, in order.
        values: the statistics of those days that have any.
        finished: the days that have been computed: a statistic that they don't have is 0.
    """
    return [_chart(name, days, values, finished) for name in CHARTS]


def _chart(
    name: str, days: Sequence[date], values: Mapping[date, Values], finished: Collection[date]
) -> Chart:
    figures = [figure for figure in FIGURES if figure.chart == name]
    subjects = list(dict.fromkeys(figure.subject for figure in figures))
    periods = list(dict.fromkeys(figure.period for figure in figures))
    series = [
        Series(
            figure.heading,
            [values.get(day, {}).get(figure.statistic, 0.0 if day in finished else None) for day in days],
            dashed=figure.period != periods[0],
            colour=subjects.index(figure.subject),
        )
        for figure in figures
    ]
    title = subjects[0] if len(subjects) == 1 else name.capitalize()
    return Chart(name, title, days, series)
