"""Sixty days caught up by real Airflow: two fail, and are mended in either order of an operator's actions."""

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

from tests.integration.operator_of_days import Operator, operated

FIRST = date(2016, 2, 22)
DAYS = [FIRST + timedelta(days=number) for number in range(61)]
FIRST_BAD, SECOND_BAD = DAYS[30], DAYS[45]
# A day at the end may cost as much as one at the beginning, and what a busy machine makes of it.
SLOWER_AT_MOST = 1.5


def _wait_and_watch(operator: Operator, day: date) -> None:
    following = day + timedelta(days=1)
    operator.wait_until_failed(day)
    operator.wait(lambda: operator.states(following) == ["deferred", None, None], f"{following} to wait")
    done = [found.day for found in operator.jobs()]
    assert max(done) < day


def test_later_days_wait_for_a_failed_one_and_then_go_on_whatever_was_done_first(tmp_path: Path) -> None:
    with operated(tmp_path / "embedded", DAYS, FIRST_BAD, SECOND_BAD) as operator:
        _wait_and_watch(operator, FIRST_BAD)
        operator.pause(is_paused=True)
        operator.mend_day(FIRST_BAD)
        operator.pause(is_paused=False)
        operator.clear(FIRST_BAD, only_failed=True)

        _wait_and_watch(operator, SECOND_BAD)
        operator.pause(is_paused=True)
        operator.mend_day(SECOND_BAD)
        operator.clear(SECOND_BAD, only_failed=True)
        operator.pause(is_paused=False)

        operator.wait_until_done(DAYS[-2])
        assert [operator.states(day) for day in DAYS[:-1]] == [["success"] * 3] * 60
        assert [operator.loads(day) for day in DAYS[:-1]] == [1] * 60
        operator.check_order()
        assert len(operator.subjects()) == 4
        loads = {found.day: found.start for found in operator.jobs() if found.task == "etl_load_events"}
        seconds = [(loads[after] - loads[before]).total_seconds() for before, after in pairwise(DAYS[:-1])]
        early, late = median(seconds[5:25]), median(seconds[-12:])
        print(f"a day took {early:.2f} s at the beginning and {late:.2f} s at the end")  # noqa: T201 - long work
        assert late <= early * SLOWER_AT_MOST
