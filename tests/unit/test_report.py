"""What `make run` prints at its end."""

from io import StringIO
from typing import Any

from embedded.report import Report, show
from etl.statistics import STATISTICS
from rich.console import Console

DAY = {"run_date": "2016-02-22", "lines": 3, "rows": {"user_event": 1}, "duplicates": 2, "malformed": 0}


def shown(*statistics: tuple[str, str, float]) -> str:
    rows: list[dict[str, Any]] = [
        {"organization_id": 1, "organization_name": organization, "statistic": statistic, "value": value}
        for organization, statistic, value in statistics
    ]
    text = StringIO()
    show(Console(file=text, width=200), Report([DAY], rows, 1.0, "sqlite:///w.sqlite"))
    return text.getvalue()


def test_every_statistic_is_in_a_column() -> None:
    text = shown(*(("Acme", statistic.name, 1000.0 + n) for n, statistic in enumerate(STATISTICS)))
    for statistic in STATISTICS:
        assert (statistic.part_of or statistic.title) in text


def test_the_networks_messages_are_one_column_and_the_most_active_come_first() -> None:
    text = shown(
        ("Quiet", "logins_past_week", 4.0),
        ("Busy", "twitter_messages_sent_past_week", 3.0),
        ("Busy", "linkedin_messages_sent_past_week", 1234.0),
    )
    assert text.index("Busy") < text.index("Quiet")
    (busy,) = [line for line in text.splitlines() if "Busy" in line]
    assert "1,237" in busy


def test_an_average_that_is_its_count_in_every_row_is_left_out() -> None:
    first_week = [("Acme", "logins_past_week", 7.0), ("Acme", "average_weekly_logins", 7.0)]
    assert "on average" in shown(*first_week, ("Fjord", "average_weekly_logins", 2.5))
    assert "on average" not in shown(*first_week)


def test_duplicates_are_explained() -> None:
    assert "duplicates are lines of an event that the day has already" in " ".join(shown().split())
