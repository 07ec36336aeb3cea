"""Work beside its caller: in order, one at a time, and no failure is lost."""

import threading

import pytest
from etl.beside import Beside

SECONDS = 30


def test_the_caller_goes_on_while_work_is_under_way_and_waits_with_the_next() -> None:
    may_end = threading.Event()
    done: list[str] = []

    def first() -> None:
        assert may_end.wait(SECONDS)
        done.append("first")

    with Beside() as beside:
        beside.do(first)
        assert done == []
        may_end.set()
        beside.do(lambda: done.append("second"))
        beside.wait()
        assert done == ["first", "second"]


def test_a_failure_is_raised_where_the_next_work_would_begin() -> None:
    done: list[str] = []

    def fail() -> None:
        raise ValueError("no space left")

    with Beside() as beside:
        beside.do(fail)
        with pytest.raises(ValueError, match="no space left"):
            beside.do(lambda: done.append("next"))
        beside.wait()
    assert done == []


def test_it_is_left_when_the_work_is_done() -> None:
    done: list[str] = []
    may_end = threading.Event()

    def work() -> None:
        assert may_end.wait(SECONDS)
        done.append("work")

    def interrupted() -> None:
        with Beside() as beside:
            beside.do(work)
            threading.Timer(0.05, may_end.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == ["work"]
