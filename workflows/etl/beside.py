"""Work that goes on beside its caller, one piece after the other."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self


class Beside:
    """Does one piece of work at a time, while its caller prepares the next one.

    It is left when no work is under way any more, whether that succeeded or not.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self._under_way: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()

    def do(self, work: Callable[[], None]) -> None:
        """Begin a piece of work when the one before is done, and raise what that has raised.

        Args:
            work: what to do.
        """
        self.wait()
        self._under_way = self._thread.submit(work)

    def wait(self) -> None:
        """Wait until no work is under way, and raise what it has raised."""
        under_way, self._under_way = self._under_way, None
        if under_way:
            under_way.result()
