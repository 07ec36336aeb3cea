"""What the address of a table of organizations says: a day, a search, a mark, an order and a page."""

from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode

from etl.config import EARLIEST_RUN_DATE, LATEST_RUN_DATE
from etl.health import Mark
from etl.organization_queries import HEALTH, NAME, Wanted
from pydantic import BaseModel, BeforeValidator, Field, field_validator

from organizations.figures import STATISTICS

SORTS = (NAME, HEALTH, *STATISTICS)
PER_PAGE = 50


def given(value: Any) -> Any:
    """Take a field of a form that was left empty for one that is missing."""
    return None if value == "" else value


# A day of a form, if it was given; far enough from the calendar's ends for what lies around it.
Day = Annotated[
    Annotated[date, Field(ge=EARLIEST_RUN_DATE, le=LATEST_RUN_DATE)] | None, BeforeValidator(given)
]


class Listing(BaseModel):
    """The fields of the address."""

    day: Day = None
    search: Annotated[str, Field(max_length=255)] = ""
    mark: Annotated[Mark | None, BeforeValidator(given)] = None
    # With a minus sign, the largest first.
    sort: str = f"-{HEALTH}"
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1

    @field_validator("sort")
    @classmethod
    def _known(cls, sort: str) -> str:
        if sort.removeprefix("-") not in SORTS:
            raise ValueError(f"there is no order by {sort.removeprefix('-')!r}")
        return sort

    def wanted(self, day: date) -> Wanted:
        """Return what is asked of the warehouse.

        Args:
            day: the day that is shown.
        """
        descending = self.sort.startswith("-")
        return Wanted(day, self.search.strip(), self.mark, self.sort.removeprefix("-"), descending)

    def address(self, **changes: Any) -> str:
        """Return the query of another address, with nothing in it that is as by default.

        Args:
            **changes: the fields that differ from this one's.
        """
        fields = self.model_copy(update=changes).model_dump(mode="json", exclude_defaults=True)
        return "?" + urlencode({name: value for name, value in fields.items() if value is not None})

    def sorted_by(self, name: str) -> str:
        """Return the query that sorts by a column: by the largest number first, then by the smallest.

        Args:
            name: what to sort by.
        """
        first, second = (name, f"-{name}") if name == NAME else (f"-{name}", name)
        return self.address(sort=second if self.sort == first else first, page=1)

    def aria_sort(self, name: str) -> str:
        """Return how a column is sorted, in ARIA's words.

        Args:
            name: what it holds.
        """
        return {name: "ascending", f"-{name}": "descending"}.get(self.sort, "none")
