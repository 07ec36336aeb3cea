# A plugin of Airflow's, and not part of a package.
# ruff: noqa: INP001
"""Airflow's users and roles (FAB), with tokens that end when the password of their user changes.

FAB ends the sessions then, and refuses the tokens of users who are gone or deactivated. But a token could
still be exchanged for a new one for ever.
"""

from hashlib import sha256
from typing import Any

from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from airflow.providers.fab.auth_manager.models import User

CLAIM = "pwd"


def fingerprint(user: User) -> str:
    """Return what a token keeps of its user's password: a digest of the salted hash in the database."""
    password: str = getattr(user, "password", None) or ""
    return sha256(password.encode()).hexdigest()[:16]


class PasswordBoundFabAuthManager(FabAuthManager):
    """FAB's auth manager; its tokens are for as long as the password is the same."""

    def serialize_user(self, user: User) -> dict[str, Any]:
        """Return the claims of a user's token."""
        return {**super().serialize_user(user), CLAIM: fingerprint(user)}

    def deserialize_user(self, token: dict[str, Any]) -> User:  # type: ignore[override] # theirs is cached
        """Return the user that a token is for.

        Raises:
            ValueError: there is no such user (any more), or the password is another one now.
        """
        user: User = super().deserialize_user(token)
        if token.get(CLAIM) != fingerprint(user):
            raise ValueError(f"The password of user {token['sub']} has changed since the token was made")
        return user
