"""How long a day's first task stays for the day before, rather than wait in the triggerer."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from etl import order, sensor
from etl.config import S3Location
from etl.mails import Mails
from etl.order import Day
from etl.sensor import DaySensor

DAY = date(2016, 2, 22)
WAITING = Day(DAY, "run", {order.SENSOR: "deferred"})
MOVING = Day(DAY, "run", {order.SENSOR: "success", order.LOAD: "running"})
DONE = Day(DAY, "run", dict.fromkeys(order.TASKS, "success"))
FAILED = Day(DAY, "run", dict(zip(order.TASKS, ("success", "failed", "upstream_failed"), strict=True)))
MISSING = Day(DAY, None, {})


def stay(
    monkeypatch: pytest.MonkeyPatch, *states: tuple[float, Day], is_complete: bool = True
) -> tuple[float, Day]:
    """Let a day's task stay for the one before, which is as it is said to be from each second on.

    Args:
        monkeypatch: pytest's.
        states: of the day before, since when.
        is_complete: whether the task's own day could be done then.

    Returns:
        How many seconds it stayed, and as what it saw the day last.
    """
    now = 0.0

    def pause(seconds: float) -> None:
        nonlocal now
        now += seconds

    def seen() -> Day:
        return [state for since, state in states if since <= now][-1]

    assert all(before < after for (before, _), (after, _) in pairwise(states))
    monkeypatch.setattr(sensor, "monotonic", lambda: now)
    monkeypatch.setattr(sensor, "sleep", pause)
    monkeypatch.setattr(order, "look_at", lambda *_: seen())
    task = DaySensor(
        task_id=order.SENSOR,
        source=S3Location("events", ""),
        first_day=DAY,
        late_after=timedelta(hours=1),
        mails=Mails([]),
        bucket_key="x",
    )
    last = task._stay_for(seen(), until_it_moves=is_complete)  # noqa: SLF001 - all else is Airflow's
    return now, last


def test_it_stays_for_a_day_that_is_being_done(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, last = stay(monkeypatch, (0, MOVING), (1.1, DONE))
    assert last is DONE
    assert seconds == pytest.approx(1.2)


def test_it_stays_for_a_day_that_the_triggerer_lets_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, last = stay(monkeypatch, (0, WAITING), (1.5, MOVING), (2.9, DONE))
    assert last is DONE
    assert seconds == pytest.approx(3)


@pytest.mark.parametrize(("state", "longest"), [(MOVING, 5), (WAITING, 3), (FAILED, 0), (MISSING, 0)])
def test_it_does_not_stay_for_long(state: Day, longest: float, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, last = stay(monkeypatch, (0, state))
    assert last is state
    assert longest <= seconds < longest + 0.3


def test_a_day_that_must_wait_anyhow_stays_for_no_other_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stay(monkeypatch, (0, WAITING), is_complete=False) == (0, WAITING)
    seconds, _ = stay(monkeypatch, (0, MOVING), (1.1, DONE), is_complete=False)
    assert seconds == pytest.approx(1.2)
