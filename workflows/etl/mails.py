"""The mails about days: a task that failed, a late source, a failed day that is done again."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException

from etl.order import TASKS, PlaceGivenBackError

# Where a worker was lost, Airflow may report it without the run and without an exception.
FAILED_SUBJECT = (
    "{{ ti.dag_id }}.{{ ti.task_id }} failed: "
    "{{ run_date(dag_run) if run_date is defined and dag_run is defined else run_id }}"
)
FAILED_BODY = """\
{% set no_error = "No error was recorded: the task or its worker was killed, as the kernel does where memory \
is short, or the worker's host was lost. Its journal tells: journalctl -u airflow-worker, journalctl -k" -%}
<p><b>{{ ti.task_id | e }}</b> of {{ ti.dag_id | e }}, run {{ run_id | e }}, failed for good
at try {{ ti.try_number }}. The next days wait.</p>
<pre>{{ (exception if exception is defined and exception else no_error) | e }}</pre>
<p><a href="{{ ti.log_url | e }}">Log of the task</a></p>
<p>Once the cause is mended, clear the task: its day is done again, and the next ones go on by themselves.</p>
"""
LATE_SUBJECT = "{{ ti.dag_id }}: the events of {{ late_day }} are late"
LATE_BODY = """\
<p>The day {{ late_day }} is not complete: there is no object yet under</p>
<pre>{{ missing_place | e }}</pre>
<p>which would be the sign that the day is over. Nothing needs to be done in Airflow: the run
<a href="{{ ti.log_url | e }}">{{ run_id | e }}</a> waits as long as it takes, and this is the only mail
about it.</p>
"""
DONE_AGAIN_SUBJECT = "{{ ti.dag_id }}: {{ run_date(dag_run) }} is done, after it had failed"
DONE_AGAIN_BODY = """\
<p>All tasks of {{ run_date(dag_run) }} have succeeded now. The next days go on by themselves.</p>
<p><a href="{{ ti.log_url | e }}">Log of the last task</a></p>
"""
CAME_LATE_SUBJECT = "Objects of {{ late_days | length }} days had changed: loaded again"
CAME_LATE_BODY = """\
<p>Objects came, changed or went after their days were loaded. These days were loaded again, and the
statistics that they touch computed:</p>
<ul>{% for day, differences in late_days %}<li>{{ day }}: {{ differences }}</li>{% endfor %}</ul>
<p><a href="{{ ti.log_url | e }}">Log of the task</a></p>
"""
FINAL_TRY = "began_its_final_try"
CAME_BACK = "came_back"
# After a server that doesn't answer, or answers that it can't now.
PAUSES_SECONDS = (1, 4, 10, 15)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mails:
    """Writes to a list of addresses; to nobody if it is empty.

    The sender is the one of the connection ``smtp_default``.
    """

    addresses: Sequence[str]

    def failure_callbacks(self) -> list["FailureMail"]:
        """Return the callbacks that tell of a task that failed for good."""
        return [FailureMail(to=list(self.addresses))] if self.addresses else []

    def late(self, context: Context, day: date, place: str) -> bool:
        """Tell that a day's source is late.

        Args:
            context: the sensor's context.
            day: the day.
            place: the prefix that is missing.

        Returns:
            Whether it was told, or there is nobody to tell.
        """
        logger.warning("%s is late: there is no object yet under %s", day, place)
        facts: Any = context | {"late_day": day, "missing_place": place}
        return self._send(facts, LATE_SUBJECT, LATE_BODY)

    def came_late(self, context: Context, days: Sequence[tuple[date, str]]) -> None:
        """Tell that days were loaded again since their objects had changed.

        Args:
            context: the context of the task that did it.
            days: the days, and what differs.
        """
        facts: Any = context | {"late_days": days}
        self._send(facts, CAME_LATE_SUBJECT, CAME_LATE_BODY)

    def done_again(self, context: Context) -> None:
        """Tell that a day which failed is done.

        Args:
            context: the context of the day's last task, which has succeeded.
        """
        if any(context["ti"].xcom_pull(task_ids=task, key=CAME_BACK) for task in TASKS):
            self._send(context, DONE_AGAIN_SUBJECT, DONE_AGAIN_BODY)

    def _send(self, context: Context, subject: str, body: str) -> bool:
        if not self.addresses:
            return True
        try:
            Mail(to=list(self.addresses), subject=subject, html_content=body)(context)
        except (OSError, AirflowException):
            return False
        return True


class Mail(SmtpNotifier):
    """A mail that is tried again for half a minute where the server fails.

    What can't be sent in the end stands in the log as an error.
    """

    def notify(self, context: Context) -> None:
        """Send it.

        Args:
            context: the task's context.
        """
        for pause in (*PAUSES_SECONDS, None):
            try:
                # Another connection than the one that failed.
                self.__dict__.pop("hook", None)
                super().notify(context)
            except (OSError, AirflowException) as error:
                if pause is None:
                    logger.exception("This mail to %s was not sent: %s", self.to, self.subject)
                    raise
                logger.error("The mail server fails, trying again in %d s: %s", pause, error)  # noqa: TRY400
                time.sleep(pause)
            else:
                return


class FailureMail(Mail):
    """Tells of a task that failed for good."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(subject=FAILED_SUBJECT, html_content=FAILED_BODY, **kwargs)

    def __call__(self, *args: Any) -> None:
        """Send it, unless the run only gave its place back.

        Args:
            *args: the task's context.
        """
        (context,) = args
        if not isinstance(context.get("exception"), PlaceGivenBackError):
            super().__call__(context)


def note_final_try(context: Context) -> None:
    """Remember that a task is at its last try, so that a success after another one is known to be a return.

    Args:
        context: the task's context, before it does its work.
    """
    store, ti = context["task_state_store"], context["ti"]
    if store.get(FINAL_TRY) is None and ti.try_number > ti.max_tries:
        store.set(FINAL_TRY, ti.try_number)


def note_return(context: Context) -> None:
    """Tell the day's last task if this one had failed for good before it succeeded.

    Args:
        context: the task's context, after its work.
    """
    store, ti = context["task_state_store"], context["ti"]
    final = store.get(FINAL_TRY)
    if final is not None:
        store.delete(FINAL_TRY)
        if final != ti.try_number:
            ti.xcom_push(key=CAME_BACK, value=True)
