# A program of a unit, and not part of a package.
# ruff: noqa: INP001, T201
"""Makes the first administrator, sets the password again when its file has changed, and makes roles.

The password is read from the credential, so that it is never on a command line.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from werkzeug.security import check_password_hash


def ensure_admin(manager: Any, username: str, password: str) -> None:
    """Make the user, or bring the password up to date; nothing else is touched."""
    user = manager.find_user(username=username)
    if user is None:
        manager.sync_roles()
        role = manager.find_role("Admin")
        address = f"{username}@localhost"
        if not manager.add_user(username, username, "admin", address, role, password):
            sys.exit(f"services.airflow.admin: the user {username} could not be made")
        print(f"made the administrator {username}")
    elif not check_password_hash(user.password, password):
        if not manager.reset_password(user.id, password):
            sys.exit(f"services.airflow.admin: the password of {username} could not be changed")
        print(f"changed the password of {username}")


def ensure_roles(manager: Any, roles: Mapping[str, Sequence[str]]) -> None:
    """Make the roles, and give them the permissions that they lack, each as "ACTION on RESOURCE"."""
    manager.bulk_sync_roles(
        {"role": name, "perms": [tuple(permission.split(" on ", 1)) for permission in permissions]}
        for name, permissions in roles.items()
    )


@providers_configuration_loaded
def main() -> None:
    """Read what the unit was given."""
    username, roles = sys.argv[1:]
    credentials = Path(os.environ["CREDENTIALS_DIRECTORY"])
    password = (credentials / "admin-password").read_text().strip()
    with get_application_builder() as appbuilder:
        ensure_admin(appbuilder.sm, username, password)
        ensure_roles(appbuilder.sm, json.loads(Path(roles).read_text()))


if __name__ == "__main__":
    main()
