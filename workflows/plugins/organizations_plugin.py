"""Adds the page on organizations to Airflow's web server."""

from typing import Any

from airflow.plugins_manager import AirflowPlugin


class OrganizationsPlugin(AirflowPlugin):
    """The page, in the navigation."""

    name = "organizations"
    external_views = [  # noqa: RUF012 - Airflow's name and type
        {
            "name": "Organizations",
            # Relative to wherever Airflow's own page lies.
            "href": "organizations/",
            "url_route": "organizations",
            "destination": "nav",
            "nav_top_level": True,
            "icon": "organizations/static/icon.svg",
            "icon_dark_mode": "organizations/static/icon-dark.svg",
        }
    ]

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override] # every process has the plugin
        """The page; imported by the web server alone."""
        from organizations.app import app  # noqa: PLC0415

        return [{"app": app, "url_prefix": "/organizations", "name": "Organizations"}]
