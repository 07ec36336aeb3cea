"""Where the lines, the scale and the days of a chart lie, and which numbers stand beneath it."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from organizations.charts import BOTTOM, HEIGHT, LABELS, LEFT, RIGHT, TOP, WIDTH, Chart, Series, Value


def chart(*values: Value) -> Chart:
    days = [date(2016, 2, 22) + timedelta(days=n) for n in range(len(values))]
    return Chart("logins", "Logins", days, [Series("Logins", values)])


def test_a_line_goes_from_edge_to_edge_and_from_the_bottom_to_the_top() -> None:
    drawn = chart(0, 5, 10)
    (line,) = drawn.lines(drawn.series[0])
    points = [tuple(map(float, point.split(","))) for point in line.split()]
    assert [x for x, _ in points] == [LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT]
    assert [y for _, y in points] == [HEIGHT - BOTTOM, (TOP + HEIGHT - BOTTOM) / 2, TOP]


def test_a_day_without_a_value_interrupts_the_line() -> None:
    drawn = chart(1, None, 2, 3, None, None, 4)
    assert [len(line.split()) for line in drawn.lines(drawn.series[0])] == [1, 2, 1]
    assert chart(None, None).lines(chart(None, None).series[0]) == []


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (1, 1), (3, 3), (4, 4), (10, 10), (11, 15), (99, 100), (1234, 1500), (0.5, 1)]
)
def test_the_scale_ends_at_a_round_number_above_all(most: float, top: float) -> None:
    assert chart(0, most).top == top


@given(st.lists(st.floats(0, 999999999.99) | st.none(), min_size=1, max_size=800))
def test_everything_lies_within_the_chart(values: list[Value]) -> None:
    drawn = chart(*values)
    for line in drawn.lines(drawn.series[0]):
        for point in line.split():
            x, y = map(float, point.split(","))
            assert LEFT <= x <= WIDTH - RIGHT
            assert TOP - 0.1 <= y <= HEIGHT - BOTTOM + 0.1
    assert 2 <= len(drawn.scale) <= 7
    assert all(TOP - 0.1 <= y <= HEIGHT - BOTTOM + 0.1 for y, _ in drawn.scale)
    assert 1 <= len(drawn.labels) <= LABELS + 1
    assert drawn.labels[-1][1] == drawn.days[-1]
    assert drawn.rows()[0] == (drawn.days[-1], [values[-1]])
    assert len(drawn.rows()) <= 120
