"""Adds the page on organizations to Airflow's web server."""

from typing import Any
from urllib.parse import quote

from airflow.plugins_manager import AirflowPlugin


def icon(colour: str) -> str:
    """Return a small bar chart, of the size and weight of the navigation's own icons.

    Args:
        colour: that of its lines.
    """
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="{colour}"'
        ' stroke-width="1.5" stroke-linecap="round"><path d="M4 3v17h17M9 16v-4M14 16V7M19 16v-6"/></svg>'
    )
    return f"data:image/svg+xml,{quote(svg)}"


class OrganizationsPlugin(AirflowPlugin):
    """The page, in the navigation."""

    name = "organizations"
    external_views = [  # noqa: RUF012 - Airflow's name and type
        {
            # Longer names are cut off there.
            "name": "Statistics",
            # Relative to wherever Airflow's own page lies.
            "href": "organizations/",
            "url_route": "organizations",
            "destination": "nav",
            "nav_top_level": True,
            "icon": icon("#1d3358"),
            "icon_dark_mode": icon("#dce7f5"),
        }
    ]

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override] # every process has the plugin
        """The page; imported by the web server alone."""
        from organizations.app import app  # noqa: PLC0415

        return [{"app": app, "url_prefix": "/organizations", "name": "Organizations"}]
