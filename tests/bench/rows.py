"""The rows of the table: what is measured, against what, and the goal."""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from tests.bench import measures
from tests.bench.data import Days
from tests.bench.measures import Figure


class Place(Enum):
    """Where a row is measured."""

    HERE = "here"
    # By its Python and its MySQL, while nothing else runs on it.
    MACHINE = "machine"
    # All of Airflow on one, by tests.bench.stack.
    STACK = "stack"


class Row(NamedTuple):
    """A row. Of a goal that is a least value, more is better; of one that is a most value, less."""

    name: str
    what: str
    unit: str
    place: Place
    measure: Callable[[Days], Figure] | None
    least: float | None = None
    most: float | None = None

    def is_met(self, value: float) -> bool:
        """Return whether a figure meets the goal."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    @property
    def goal(self) -> str:
        """The goal as people write it."""
        return f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"


ROWS = (
    Row("day", "a day of daily_etls, embedded", "s", Place.HERE, measures.a_day, most=1.5),
    Row("help", "etl --help", "s", Place.HERE, measures.command_start, most=0.10),
    Row("small-load", "etl load-events, a small day", "s", Place.HERE, measures.small_load, most=0.75),
    Row(
        "classify",
        "the classifier, against json.loads and the rules",
        "times",
        Place.HERE,
        measures.classifier,
        least=6,
    ),
    Row(
        "mysql",
        "one load into MySQL, against LOAD DATA of prepared rows",
        "",
        Place.MACHINE,
        measures.into_mysql,
        least=0.6,
    ),
    Row(
        "mysql-daily",
        "daily loads into MySQL, against the same",
        "",
        Place.MACHINE,
        measures.into_mysql_daily,
        least=0.4,
    ),
    Row(
        "sqlite",
        "one load into SQLite, against executemany of prepared rows",
        "",
        Place.HERE,
        measures.into_sqlite,
        least=0.7,
    ),
    Row(
        "objects",
        "1,000 objects at 25 ms, against one by one",
        "times",
        Place.HERE,
        measures.many_objects,
        least=25,
    ),
    Row(
        "together",
        "S3 and MySQL together, against the slower alone",
        "times",
        Place.MACHINE,
        measures.together,
        most=1.2,
    ),
    Row(
        "history",
        "statistics at 50 times the history, against once",
        "times",
        Place.MACHINE,
        measures.history,
        most=1.1,
    ),
    Row(
        "page",
        "the 95th percentile of the page's slowest address, of 10,000 organizations",
        "ms",
        Place.MACHINE,
        measures.the_page,
        most=100,
    ),
    Row("memory", "memory of a day of 1,000,000 lines", "MB", Place.HERE, measures.memory, most=100),
    Row(
        "machine-day",
        "a day of daily_etls with Celery, against Airflow's default settings",
        "times",
        Place.STACK,
        None,
        most=0.35,
    ),
    Row("idle-memory", "memory of all units, with nothing to do", "GB", Place.STACK, None, most=1.3),
    Row("idle-cpu", "CPU of all units, with nothing to do", "% of a core", Place.STACK, None, most=5),
)
