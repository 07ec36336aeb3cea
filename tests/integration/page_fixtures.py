"""Airflow's web server with the page on organizations, in this process, with FAB's users and on SQLite."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from embedded.settings import PLUGINS
from fastapi import FastAPI
from fastapi.testclient import TestClient

AUTH_MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
SETTINGS = {
    "AIRFLOW__CORE__AUTH_MANAGER": AUTH_MANAGER,
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
    "AIRFLOW__API_AUTH__JWT_SECRET": "x" * 64,
    "AIRFLOW__API__SECRET_KEY": "x" * 64,
}
# What modules/etl.nix gives to account managers.
ACCOUNT_MANAGER = [("can_read", "Organizations"), ("can_read", "Plugins"), ("can_read", "Website")]

Login = Callable[[str | None], TestClient]


@contextmanager
def web_server() -> Iterator[tuple[FastAPI, Login]]:
    """Make the web server, and the clients of users with a role; of nobody with none."""
    with patch.dict(os.environ, SETTINGS):
        from airflow import settings  # noqa: PLC0415 - Airflow reads its settings when it is imported
        from airflow.api_fastapi.app import create_app, get_auth_manager, purge_cached_app  # noqa: PLC0415
        from airflow.models import import_all_models  # noqa: PLC0415
        from airflow.models.base import Base  # noqa: PLC0415
        from airflow.providers.fab.auth_manager.models import User  # noqa: PLC0415

        settings.PLUGINS_FOLDER = str(PLUGINS)
        import_all_models()  # type: ignore[no-untyped-call]
        for tables in (Base, User):
            tables.metadata.create_all(settings.engine)
        app = create_app(apps="core")
        manager: Any = get_auth_manager()

        def login(role: str | None) -> TestClient:
            client = TestClient(app)
            if role:
                with manager.flask_app.app_context():
                    users = manager.security_manager
                    users.bulk_sync_roles([{"role": "AccountManager", "perms": ACCOUNT_MANAGER}])
                    user = users.find_user(username=role) or users.add_user(
                        role, role, role, f"{role}@example.org", users.find_role(role), role
                    )
                    client.cookies.set("_token", manager.generate_jwt(user))
            return client

        yield app, login
        purge_cached_app()
