"""What the warehouse must hold after some days, calculated by the rules of the unit tests."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from etl import sample_data

from tests.unit import rules, statistics_rules

# What is compared of each table, as text; when a row was written differs from run to run.
COLUMNS = {
    "user_event": ("id", "timestamp", "user_id", "event", "social_network_type"),
    "organization_payment": (
        *("id", "timestamp", "organization_id", "event"),
        *("payment_amount", "payment_processor"),
    ),
    "organization_event": ("id", "timestamp", "organization_id", "event"),
    "unknown_event": ("id", "event_blob"),
}
Rows = dict[str, dict[str, tuple[str | None, ...]]]


class Expected:
    """The rows and statistics of the days that were added, in their order.

    Args:
        events_per_day: different events of a day of sample data.
        seed: which sample.
    """

    def __init__(self, events_per_day: int, seed: int) -> None:
        self._events_per_day = events_per_day
        self._seed = seed
        self.rows: Rows = {table: {} for table in COLUMNS}
        self.statistics: set[tuple[str, int, str, str]] = set()

    def add(self, day: date) -> None:
        """Add a day that was loaded and whose statistics were computed."""
        loaded: Rows = {table: {} for table in COLUMNS}
        for line in self._lines(day):
            row = rules.classify(line)
            values = tuple(
                None if (value := row.columns[name]) is None else str(value) for name in COLUMNS[row.table]
            )
            # The first line of an id wins within a day.
            loaded[row.table].setdefault(str(values[0]), values)
        for table, rows in loaded.items():
            self.rows[table].update(rows)
        of_the_day = statistics_rules.statistics(day, self._contents())
        self.statistics |= {(str(day), who, name, str(value)) for (who, name), value in of_the_day.items()}

    def _lines(self, day: date) -> Iterator[bytes]:
        for item in sample_data.day_objects(day, self._events_per_day, self._seed):
            yield from (line for line in item.content.split(b"\n") if line.strip())

    def _contents(self) -> statistics_rules.Contents:
        contents = statistics_rules.Contents(
            organizations={row[0] for row in sample_data.organizations(self._seed)},
            members={(row[0], row[1]) for row in sample_data.organization_users(self._seed)},
        )
        rows: dict[str, Any] = {table: list(found.values()) for table, found in self.rows.items()}
        for _, at, user, event, network in rows["user_event"]:
            contents.events.append(statistics_rules.UserEvent(_moment(at), int(user), event, network))
        for _, at, organization, event, amount, _processor in rows["organization_payment"]:
            contents.events.append(
                statistics_rules.OrganizationPayment(_moment(at), int(organization), Decimal(amount), event)
            )
        for _, at, organization, event in rows["organization_event"]:
            contents.events.append(statistics_rules.OrganizationEvent(_moment(at), int(organization), event))
        return contents


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
