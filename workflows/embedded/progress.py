"""Shows how far a run has come: a bar for people, lines for logs."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from embedded.airflow_api import TASKS
from embedded.following import Position


class Display:
    """What the developer sees while the run works."""

    def __init__(self, console: Console, days: int) -> None:
        """Show nothing yet.

        Args:
            console: where to; a bar if it is a terminal.
            days: how many days there are to do.
        """
        self._console = console
        self._days = days
        self._started = time.monotonic()
        self._days_done = 0
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("tasks"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("Starting", total=days * len(TASKS))

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def step(self, text: str) -> None:
        """Show what begins.

        Args:
            text: what it is.
        """
        self._bar.update(self._task, description=text)
        if not self._console.is_terminal:
            self._line(text)

    def move(self, position: Position) -> None:
        """Show how far the days are.

        Args:
            position: what Airflow's record says.
        """
        done = position.days_done >= self._days
        self._bar.update(
            self._task,
            description="Reading the result" if done else f"{position.day} {position.task_id:<22}",
            completed=min(position.tasks_done, self._days * len(TASKS)),
        )
        if position.days_done > self._days_done and not self._console.is_terminal:
            self._line(f"{min(position.days_done, self._days)} of {self._days} days done")
        self._days_done = position.days_done

    def _line(self, text: str) -> None:
        self._console.print(f"{time.monotonic() - self._started:6.1f} s  {text}")
