"""The page's routes: all of them refuse who may not read it."""

import logging
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Literal

import sqlalchemy as sa
from etl import config, warehouse
from etl.errors import EtlError
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.base import RequestResponseEndpoint

from organizations import pages, queries
from organizations.access import allowed
from organizations.days import Days, look
from organizations.figures import FIGURES
from organizations.health import MARKS, health
from organizations.listing import PER_PAGE, Listing

NOT_LOGGED_IN = "You are not logged in (any more): log in to Airflow, and open this page again."
NO_WAREHOUSE = "The statistics can't be read at the moment. The web server's log says why."

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
    response = await call_next(request)
    for name, value in pages.HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def look_at_days(connection: sa.Connection) -> Days:
    """Return the warehouse's days as they are now."""
    return look(connection, datetime.now(UTC).replace(tzinfo=None), config.late_after())


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
        found=[(row, health(row.now, row.before)) for row in found],
        total=total,
        last_page=max(1, -(-total // PER_PAGE)),
        figures=FIGURES,
        marks=list(MARKS),
    )


@app.get("/static/{name}")
def static(name: Literal["page.css", "theme.js"]) -> FileResponse:
    """Return a file that pages are made with; its address changes when it does."""
    return FileResponse(pages.STATIC / name, headers={"Cache-Control": "private, max-age=86400"})
