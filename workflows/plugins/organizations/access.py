"""Who may see the page: users of Airflow's with a permission of its own."""

from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, HTTPException

RESOURCE = "Organizations"


def allowed(user: Annotated[Any, Depends(get_user)]) -> None:
    """Refuse who has not logged in (401), and who lacks the permission "can read on Organizations" (403).

    Args:
        user: the user that the request's cookie or token is for.

    Raises:
        HTTPException: the user may not.
    """
    if not get_auth_manager().is_authorized_custom_view(method="GET", resource_name=RESOURCE, user=user):
        raise HTTPException(403, "You don't have the permission to read the page on organizations.")
