"""The days that a chart shows."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from organizations.listing import Day

LENGTHS = (30, 90, 365, 730)


class Span(BaseModel):
    """The fields of an address: how many days, and the last of them."""

    last: Day = None
    days: Annotated[int, Field(ge=2, le=LENGTHS[-1])] = 90

    def address(self) -> str:
        """Return the query of its address."""
        return "?" + urlencode(self.model_dump(mode="json", exclude_none=True))

    def until(self, first: date | None, newest: date | None) -> Sequence[date]:
        """Return the days, in order; none where there is no day at all.

        Args:
            first: the first one that there is: a chart has no empty beginning.
            newest: the last one, where the address doesn't say.
        """
        last = self.last or newest
        if first is None or last is None:
            return []
        shown = min(self.days, max(2, (last - first).days + 1))
        return [last - timedelta(days=ago) for ago in reversed(range(shown))]
