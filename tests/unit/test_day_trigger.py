"""How often a day that waits looks at the one before it."""

import asyncio
from collections.abc import Callable
from datetime import date

import pytest
from airflow.triggers.base import TaskSuccessEvent, TriggerEvent
from etl import day_trigger, order
from etl.day_trigger import DayTrigger
from etl.order import Day, Progress

WAITING = Day(date(2016, 2, 22), "run", {order.SENSOR: "deferred"})
MOVING = Day(date(2016, 2, 22), "run", {order.SENSOR: "success", order.LOAD: "running"})
DONE = Day(date(2016, 2, 22), "run", dict.fromkeys(order.TASKS, "success"))


class Clock:
    """The seconds that have gone by; sleeping takes none."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


async def _complete(_: DayTrigger) -> bool:
    return True


def _look(monkeypatch: pytest.MonkeyPatch, before: Callable[[float], Day]) -> tuple[Clock, TriggerEvent]:
    """Let a day wait, whose day before is as it is said to be at each moment."""
    clock = Clock()
    monkeypatch.setattr(day_trigger, "monotonic", lambda: clock.now)
    monkeypatch.setattr(asyncio, "sleep", clock.sleep)
    monkeypatch.setattr(order, "day_before", lambda *_: before(clock.now))
    monkeypatch.setattr(order, "is_in_the_way", lambda *_: False)
    monkeypatch.setattr(DayTrigger, "_is_complete", _complete)
    trigger = DayTrigger(
        dag_id="daily_etls",
        day="2016-02-23",
        first_day="2016-02-22",
        bucket="events",
        prefix="",
        aws_conn_id=None,
        poke_interval=10,
        late_at=None,
    )

    async def first() -> TriggerEvent:
        return await anext(trigger.run())

    return clock, asyncio.run(first())


def test_a_day_that_begins_to_wait_looks_soon_and_later_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    assert WAITING.progress is Progress.WAITING
    clock, event = _look(monkeypatch, lambda now: WAITING if now < 100 else DONE)
    assert isinstance(event, TaskSuccessEvent)
    assert clock.pauses == [0.5] * 60 + [5.0] * 14


def test_a_day_that_has_waited_looks_soon_once_the_one_before_it_is_being_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, _ = _look(monkeypatch, lambda now: WAITING if now < 70 else MOVING if now < 72 else DONE)
    assert clock.pauses[-6:] == [5.0, 5.0, 0.5, 0.5, 0.5, 0.5]
