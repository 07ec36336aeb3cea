"""Fuzzed lines and objects through loader and warehouse; a long series of it is in tests/soak."""

import io
import random

import pytest
import sqlalchemy as sa
from etl import formats, lines, tables
from etl.config import S3Location
from etl.errors import EtlError
from etl.load_events import load_events
from etl.warehouse import holds_nul

from tests import fuzz
from tests.conftest import Put, Rows
from tests.integration.test_load_events import DAY


@pytest.mark.parametrize("seed", range(3))
def test_each_line_of_a_fuzzed_day_is_the_row_it_should_be_or_a_duplicate(
    seed: int, source: S3Location, put: Put, warehouse: sa.URL, rows: Rows
) -> None:
    day = fuzz.day(seed, 8, 100, nul_fits=holds_nul(warehouse))
    check_day(day, source, put, warehouse, rows)


def check_day(day: fuzz.Day, source: S3Location, put: Put, url: sa.URL, rows: Rows) -> None:
    """Load a fuzzed day and hold what comes of it against the rules."""
    for number, content in enumerate(day.objects):
        put(DAY, f"{number:04}", content)
    report = load_events(DAY, source, url)
    assert (report.lines, report.malformed) == (day.lines, day.malformed)
    assert sum(report.rows.values()) + report.duplicates == day.lines
    for table in (
        tables.user_event,
        tables.organization_payment,
        tables.organization_event,
        tables.unknown_event,
    ):
        assert fuzz.ids_in(rows(table)) == day.ids.get(table.name, set())


@pytest.mark.parametrize("seed", range(5))
def test_any_object_is_read_or_refused_by_name(seed: int) -> None:
    check_objects(seed, 200)


def check_objects(seed: int, count: int) -> None:
    """Read damaged objects: each has lines, or is refused in one sentence that names it."""
    draw = random.Random(seed)
    refusals = []
    for _ in range(count):
        content = fuzz.damaged(draw, fuzz.stored(draw, fuzz.text(draw, 10)))
        try:
            text = formats.text_of(io.BytesIO(content), len(content), "the object")
            assert all(line for batch in lines.batches(text, "the object") for line in batch)
        except EtlError as error:
            refusals.append(str(error))
    assert all(refusal.startswith("the object ") and "\n" not in refusal for refusal in refusals)
