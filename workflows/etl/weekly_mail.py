"""The weekly mail: which organizations need a call, and why."""

import logging
from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from airflow.sdk import Context
from airflow.sdk.configuration import conf

from etl import organization_queries as queries
from etl import warehouse
from etl.health import Mark
from etl.mails import Mail
from etl.organization_queries import HEALTH, Wanted
from etl.tables import organization_statistic

SUBJECT = (
    "{{ calls | length }} {{ 'organization needs' if calls | length == 1 else 'organizations need' }} a call"
)
BODY = """\
<p>By the statistics of {{ statistics_day }}:</p>
<ul>{% for id, name, reasons in calls %}
<li><a href="{{ page | e }}/{{ id }}">{{ (name or "(no name)") | e }}</a>: {{ reasons | e }}</li>
{% endfor %}</ul>
<p><a href="{{ page | e }}/">All organizations</a></p>
"""
# Where the page on organizations is in Airflow's own.
PAGE = "/plugin/organizations/organizations"

logger = logging.getLogger(__name__)

Call = tuple[int, str, str]


def calls(url: sa.URL) -> tuple[date | None, list[Call]]:
    """Return the newest day that has statistics, and the organizations that need a call by them.

    Args:
        url: the warehouse.

    Returns:
        The day, if there is any, and of each organization its id, its name and the reasons in words.
    """
    with warehouse.transaction(url) as connection:
        day = connection.scalar(sa.select(sa.func.max(organization_statistic.c.day)))
        wanted = Wanted(day, mark=Mark.CALL, sort=HEALTH, descending=True) if day else None
        found = queries.find(connection, wanted) if wanted else []
    return day, [(row.organization_id, row.name, "; ".join(row.health.reasons)) for row in found]


def weekly_mail(context: Context, url: sa.URL, addresses: Sequence[str]) -> int:
    """Send the mail; with nobody to call there is none.

    Args:
        context: the task's context.
        url: the warehouse.
        addresses: who gets it.

    Returns:
        How many organizations it names.
    """
    day, found = calls(url)
    logger.info("%d organizations need a call by the statistics of %s", len(found), day)
    if found:
        page = conf.get("api", "base_url", fallback="").rstrip("/") + PAGE
        facts: Any = context | {"calls": found, "statistics_day": day, "page": page}
        Mail(to=list(addresses), subject=SUBJECT, html_content=BODY)(facts)
    return len(found)
