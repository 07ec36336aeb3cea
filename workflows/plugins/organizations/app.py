"""The page's routes: all of them refuse who may not read it."""

import dataclasses
import gc
import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cache
from http import HTTPStatus
from typing import Annotated, Literal

import sqlalchemy as sa
from etl import config, warehouse
from etl import organization_queries as queries
from etl.errors import EtlError
from etl.health import MARKS
from fastapi import Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.base import RequestResponseEndpoint

from organizations import overview, pages, spreadsheet, trends
from organizations.access import allowed
from organizations.charts import Chart
from organizations.days import Days, look
from organizations.figures import FIGURES, STATISTICS
from organizations.listing import PER_PAGE, Listing
from organizations.record import failed_days
from organizations.span import Span

NOT_LOGGED_IN = "You are not logged in (any more): log in to Airflow, and open this page again."
NO_WAREHOUSE = "The statistics can't be read at the moment. The web server's log says why."
OrganizationId = Annotated[int, Path(ge=-(2**31), lt=2**31)]

logger = logging.getLogger(__name__)

app = FastAPI(
    title="Organizations",
    dependencies=[Depends(allowed)],
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
)


@app.middleware("http")
async def keep_to_ourselves(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Add the headers that keep others out; what a route says itself stays."""
    keep_what_is_loaded()
    response = await call_next(request)
    for name, value in pages.HEADERS.items():
        response.headers.setdefault(name, value)
    return response


@cache
def keep_what_is_loaded() -> None:
    """Let Python's garbage collector leave alone what Airflow has loaded, once all of it is.

    It would look through some hundred thousand objects every few pages, for a fifth of a second.
    """
    gc.collect()
    gc.freeze()


def look_at_days(connection: sa.Connection) -> Days:
    """Return the warehouse's days as they are now."""
    return look(connection, datetime.now(UTC).replace(tzinfo=None), config.late_after(), failed_days())


@app.exception_handler(StarletteHTTPException)
def refused(request: Request, error: StarletteHTTPException) -> Response:
    """Tell what went wrong in words."""
    told = NOT_LOGGED_IN if error.status_code == HTTPStatus.UNAUTHORIZED else str(error.detail)
    return pages.page(request, "message.html", error.status_code, message=told)


@app.exception_handler(RequestValidationError)
def misunderstood(request: Request, error: RequestValidationError) -> Response:
    """Tell which part of the address is wrong."""
    told = "; ".join(f"{found['loc'][-1]}: {found['msg']}" for found in error.errors())
    return pages.page(
        request, "message.html", HTTPStatus.BAD_REQUEST, message=f"This address is wrong: {told}."
    )


@app.exception_handler(EtlError)
def unavailable(request: Request, error: EtlError) -> Response:
    """Tell that there is no warehouse; why, only the log says."""
    logger.error("The page on organizations can't read the warehouse: %s", error)
    return pages.page(request, "message.html", HTTPStatus.SERVICE_UNAVAILABLE, message=NO_WAREHOUSE)


@app.get("/")
def organizations(request: Request, listing: Annotated[Listing, Query()]) -> HTMLResponse:
    """Show the organizations of a day."""
    with warehouse.transaction(config.warehouse_url()) as connection:
        known = look_at_days(connection)
        day = listing.day or known.newest
        found: list[queries.Found] = []
        total = 0
        if day:
            wanted = listing.wanted(day)
            total = queries.count(connection, wanted)
            found = queries.find(connection, wanted, PER_PAGE, (listing.page - 1) * PER_PAGE)
    return pages.page(
        request,
        "organizations.html",
        days=known,
        day=day,
        listing=listing,
        found=found,
        total=total,
        last_page=max(1, -(-total // PER_PAGE)),
        figures=FIGURES,
        marks=list(MARKS),
    )


@app.get("/organizations.csv")
def organizations_csv(listing: Annotated[Listing, Query()]) -> Response:
    """Return the whole table of a day."""
    with warehouse.transaction(config.warehouse_url()) as connection:
        day = listing.day or look_at_days(connection).newest
        found = queries.find(connection, listing.wanted(day)) if day else []
    columns = ["day", "organization_id", "organization_name", "health", "reasons"]
    header = [*columns, *STATISTICS, *(f"{statistic}_change" for statistic in STATISTICS)]
    return spreadsheet.table(
        f"organizations-{day}",
        header,
        (
            [day, row.organization_id, row.name, row.health.mark.value, "; ".join(row.health.reasons)]
            + [row.now.get(statistic, 0.0) for statistic in STATISTICS]
            + [row.now.get(statistic, 0.0) - row.before.get(statistic, 0.0) for statistic in STATISTICS]
            for row in found
        ),
    )


@app.get("/overview")
def overview_page(request: Request, span: Annotated[Span, Query()]) -> HTMLResponse:
    """Show what all organizations did together, and what the days' loads were like."""
    with warehouse.transaction(config.warehouse_url()) as connection:
        known = look_at_days(connection)
        days = span.until(known.first, known.last)
        return pages.page(
            request,
            "overview.html",
            days=known,
            day=span.last,
            span=span,
            charts=overview_charts(connection, known, days),
            malformed=overview.malformed(connection, days, overview.SAMPLE) if days else [],
        )


@app.get("/overview/{name}.csv")
def overview_csv(name: str, span: Annotated[Span, Query()]) -> Response:
    """Return a chart's numbers of all organizations, or of the loads."""
    with warehouse.transaction(config.warehouse_url()) as connection:
        known = look_at_days(connection)
        drawn = overview_charts(connection, known, span.until(known.first, known.last))
    return spreadsheet.chart(f"overview-{name}", named(drawn, name))


@app.get("/malformed.csv")
def malformed_csv(span: Annotated[Span, Query()]) -> Response:
    """Return the malformed lines that are kept of some days."""
    with warehouse.transaction(config.warehouse_url()) as connection:
        known = look_at_days(connection)
        days = span.until(known.first, known.last)
        lines = overview.malformed(connection, days) if days else []
    header = ["day", "object", "line", "beginning"]
    return spreadsheet.table("malformed-lines", header, (dataclasses.astuple(line) for line in lines))


@app.get("/static/{name}")
def static(name: Literal["page.css", "theme.js"]) -> FileResponse:
    """Return a file that pages are made with; its address changes when it does."""
    return FileResponse(pages.STATIC / name, headers={"Cache-Control": "private, max-age=86400"})


@app.get("/{organization_id}")
def organization(
    request: Request, organization_id: OrganizationId, span: Annotated[Span, Query()]
) -> HTMLResponse:
    """Show one organization over days."""
    with warehouse.transaction(config.warehouse_url()) as connection:
        known = look_at_days(connection)
        name, members = existing(connection, organization_id)
        days = span.until(known.first, known.newest)
        drawn = organization_charts(connection, known, organization_id, days)
        day = days[-1] if days else None
        of_day = queries.find_one(connection, organization_id, day) if day else None
    return pages.page(
        request,
        "organization.html",
        days=known,
        day=day,
        span=span,
        organization_id=organization_id,
        name=name,
        members=members,
        health=of_day and of_day.health,
        charts=drawn,
    )


@app.get("/{organization_id}/{name}.csv")
def organization_csv(organization_id: OrganizationId, name: str, span: Annotated[Span, Query()]) -> Response:
    """Return the numbers of an organization's chart."""
    with warehouse.transaction(config.warehouse_url()) as connection:
        known = look_at_days(connection)
        existing(connection, organization_id)
        drawn = organization_charts(connection, known, organization_id, span.until(known.first, known.newest))
    return spreadsheet.chart(f"organization-{organization_id}-{name}", named(drawn, name))


def organization_charts(
    connection: sa.Connection, known: Days, organization_id: int, days: Sequence[date]
) -> list[Chart]:
    """Return the charts of one organization."""
    values = queries.history(connection, organization_id, days[0], days[-1]) if days else {}
    return trends.charts(days, values, set(known.finished))


def overview_charts(connection: sa.Connection, known: Days, days: Sequence[date]) -> list[Chart]:
    """Return the charts of all organizations together, and of the loads."""
    if not days:
        return []
    of_all = trends.charts(days, overview.totals(connection, days), set(known.finished))
    return [*of_all, *overview.loads(connection, days)]


def existing(connection: sa.Connection, organization_id: int) -> tuple[str, int]:
    """Return an organization's name and the number of its members; 404 where there is none of this id."""
    found = queries.one(connection, organization_id)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"There is no organization {organization_id}.")
    return found


def named(drawn: Sequence[Chart], name: str) -> Chart:
    """Return the chart of this name; 404 where there is none."""
    for chart in drawn:
        if chart.name == name:
            return chart
    raise HTTPException(HTTPStatus.NOT_FOUND, f"There is no chart of {name}.")
