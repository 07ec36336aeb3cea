"""What a run loaded and computed, as tables or as JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any

from etl.statistics import STATISTICS, WEEKLY, Statistic
from rich import box
from rich.console import Console
from rich.table import Table

from embedded.pipeline import BIN, Pipeline

SHOWN_ORGANIZATIONS = 10


@dataclass(frozen=True)
class Report:
    """The result of a run."""

    days: list[dict[str, Any]]
    statistics: list[dict[str, Any]]
    seconds: float
    warehouse: str

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON can hold it."""
        return {
            "days": self.days,
            "statistics_day": self.days[-1]["run_date"],
            "statistics": self.statistics,
            "warehouse": self.warehouse,
            "seconds": round(self.seconds, 1),
        }


def collect(pipeline: Pipeline, days: int, seconds: float) -> Report:
    """Read the result of a run that succeeded.

    Args:
        pipeline: the pipeline, still up.
        days: how many days it did.
        seconds: how long it took.
    """
    runs = pipeline.api.all_runs()[:days]
    loads = [pipeline.api.returned(run, "etl_load_events") for run in runs]
    statistics = pipeline.etl("stats", "--run-date", runs[-1].day.isoformat())
    return Report(loads, statistics, seconds, pipeline.environment["ETL_WAREHOUSE_URL"])


def show(console: Console, report: Report) -> None:
    """Print the result.

    Args:
        console: where to.
        report: the result.
    """
    days, last_day = len(report.days), report.days[-1]["run_date"]
    etl = quote(str(BIN / "etl"))
    console.print(_loaded(report.days))
    console.print(_most_active(report))
    console.print(
        f"{days} {'day' if days == 1 else 'days'} in {report.seconds:.0f} s. "
        f"The data lies in {report.warehouse};",
        "any SQLite client reads it, and so does",
        f"  ETL_WAREHOUSE_URL={quote(report.warehouse)} {etl} stats --run-date {last_day}",
        sep="\n",
    )


def _loaded(days: list[dict[str, Any]]) -> Table:
    table = _table("What was loaded: lines read, rows by class")
    table.caption = (
        "duplicates are lines of an event that the day has already: sources send most events more than once"
    )
    table.caption_justify = "left"
    table.show_footer = len(days) > 1

    def column(heading: str, numbers: Iterable[int]) -> list[str]:
        values = list(numbers)
        table.add_column(heading, f"{sum(values):,}", justify="right", vertical="bottom")
        return [f"{value:,}" for value in values]

    table.add_column("day", "total", no_wrap=True)
    columns = [
        column("lines", (day["lines"] for day in days)),
        *(column(name.replace("_", "\n"), (day["rows"][name] for day in days)) for name in days[0]["rows"]),
        *(column(name, (day[name] for day in days)) for name in ("duplicates", "malformed")),
    ]
    for day, *cells in zip(days, *columns, strict=True):
        table.add_row(day["run_date"], *cells)
    return table


def _most_active(report: Report) -> Table:
    # Two may have one name.
    organizations: dict[tuple[str, int], dict[str, float]] = {}
    for row in report.statistics:
        key = row["organization_name"], row["organization_id"]
        organizations.setdefault(key, {})[row["statistic"]] = row["value"]
    ranked = sorted(organizations.items(), key=lambda item: (-_activity(item[1]), item[0]))
    shown = ranked[:SHOWN_ORGANIZATIONS]
    table = _table(
        f"Statistics of {report.days[-1]['run_date']}: "
        f"the {len(shown)} most active of {len(ranked)} organizations"
    )
    table.add_column("organization", no_wrap=True)
    of_title: dict[str, list[float]] = {}
    columns: list[list[str]] = []
    for (title, period), summed in _columns().items():
        numbers = [sum(values.get(statistic.name, 0) for statistic in summed) for _, values in shown]
        # In the first week, a count and its average are the same.
        if of_title.get(title) == numbers:
            continue
        of_title[title] = numbers
        table.add_column(f"{title}\n{period}", justify="right", vertical="bottom")
        columns.append([f"{number:,.{summed[0].decimals}f}" for number in numbers])
    for ((name, _id), _values), *cells in zip(shown, *columns, strict=True):
        table.add_row(name, *cells)
    return table


def _columns() -> dict[tuple[str, str], list[Statistic]]:
    """Return the columns' titles and periods, and the statistics that each sums up."""
    columns: dict[tuple[str, str], list[Statistic]] = {}
    for statistic in STATISTICS:
        columns.setdefault((statistic.part_of or statistic.title, statistic.period), []).append(statistic)
    return columns


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, padding=0
    )


def _activity(values: Mapping[str, float]) -> float:
    return sum(values.get(weekly.statistics[0].name, 0) for weekly in WEEKLY)
