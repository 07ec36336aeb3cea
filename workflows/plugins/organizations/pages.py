"""How the pages are made: templates, and the headers that keep others out of them."""

import hashlib
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from organizations import charts
from organizations.span import LENGTHS

HERE = Path(__file__).parent
STATIC = HERE / "static"
# Nothing but this server's own style sheet, script and icons; shown in a frame of this server's pages only.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
        "frame-ancestors 'self'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def _version() -> str:
    """Return what changes whenever a static file does, so that browsers may keep them."""
    digest = hashlib.sha256()
    for file in sorted(STATIC.iterdir()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


environment = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
environment.globals |= {
    "version": _version(),
    "size": (charts.WIDTH, charts.HEIGHT),
    "edges": (charts.LEFT, charts.WIDTH - charts.RIGHT),
    "lengths": LENGTHS,
}
environment.filters["number"] = lambda value: f"{value:,.2f}".removesuffix(".00")


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page.

    Args:
        request: what it answers.
        template: the name of its template.
        status: the HTTP status.
        **values: what the template shows.
    """
    # Where the page lies, behind whichever prefix Airflow has.
    root = request.scope.get("root_path", "")
    html = environment.get_template(template).render(root=root, **values)
    return HTMLResponse(html, status)
