"""The first administrator, in Airflow's own database of users."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.module.nix import PROJECT

pytest.importorskip(
    "airflow.providers.fab", reason="there is no Airflow with FAB to make an administrator in"
)
check_password_hash = pytest.importorskip("werkzeug.security").check_password_hash

CFG = """\
[core]
auth_manager = airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager
load_examples = False
[database]
sql_alchemy_conn = sqlite:///{home}/airflow.db
"""
PERMISSIONS = """
SELECT action.name, resource.name FROM ab_role AS role
JOIN ab_permission_view_role AS has ON has.role_id = role.id
JOIN ab_permission_view AS permission ON permission.id = has.permission_view_id
JOIN ab_permission AS action ON action.id = permission.permission_id
JOIN ab_view_menu AS resource ON resource.id = permission.view_menu_id
WHERE role.name = 'Reader' ORDER BY resource.name
"""


def _users(database: Path) -> dict[str, str]:
    with closing(sqlite3.connect(database)) as connection:
        return dict(connection.execute("SELECT username, password FROM ab_user").fetchall())


def test_the_administrator_is_made_kept_and_changed(tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text(CFG.format(home=tmp_path))
    database, password = tmp_path / "airflow.db", tmp_path / "admin-password"
    roles = tmp_path / "roles.json"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment = kept | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW_CONFIG": str(tmp_path / "airflow.cfg"),
        "CREDENTIALS_DIRECTORY": str(tmp_path),
    }

    def python(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert password.read_text().strip() not in done.stdout + done.stderr
        return done.stdout

    def ensure() -> str:
        return python(str(PROJECT / "modules/airflow/ensure_admin.py"), "root", str(roles))

    password.write_text("first-of-all\n")
    roles.write_text("{}")
    python("-m", "airflow", "db", "migrate")
    assert "made the administrator root" in ensure()
    first = _users(database)
    assert set(first) == {"root"}
    assert check_password_hash(first["root"], "first-of-all")

    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            "INSERT INTO ab_user (first_name, last_name, username, password, email)"
            " VALUES ('By', 'Hand', 'hand', 'untouched', 'hand@example.org')"
        )
        connection.commit()
    ensure()
    assert _users(database) == first | {"hand": "untouched"}

    password.write_text("another-one\n")
    roles.write_text('{"Reader": ["can_read on Organizations", "can_read on Website"]}')
    assert "changed the password of root" in ensure()
    changed = _users(database)
    assert check_password_hash(changed["root"], "another-one")
    assert changed["hand"] == "untouched"
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute(PERMISSIONS).fetchall() == [
            ("can_read", "Organizations"),
            ("can_read", "Website"),
        ]
