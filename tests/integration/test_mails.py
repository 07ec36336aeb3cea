"""The mails about days, against a mail server that fails at times."""

import logging
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from etl import mails
from etl.mails import Mails
from etl.order import PlaceGivenBackError

from tests.integration.airflow_fixtures import Mailbox, load_dag, mailbox


class FailingMailbox(Mailbox):
    """Refuses the first mails for now."""

    refusals = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refusals:
            self.refusals -= 1
            return "451 try again later"
        return await super().handle_DATA(server, session, envelope)


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[FailingMailbox]:
    with mailbox(FailingMailbox()) as box:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", box.connection)
        monkeypatch.setattr(mails, "PAUSES_SECONDS", (0, 0))
        yield box


def context(**changes: Any) -> Any:
    task = load_dag(ETL_ALERT_EMAILS="ops@example.com").get_task("etl_load_events")
    ti = Mock(dag_id="daily_etls", task_id="etl_load_events", try_number=4, log_url="http://log", task=task)
    return {"dag": task.dag, "task": task, "ti": ti, "run_id": "scheduled__2016-05-11"} | changes


def tell_of_a_failure(error: Exception) -> None:
    (callback,) = Mails(["ops@example.com"]).failure_callbacks()
    callback(context(exception=error))


def test_a_mail_that_the_server_refuses_for_now_is_sent_later(
    box: FailingMailbox, caplog: pytest.LogCaptureFixture
) -> None:
    # Airflow itself tries six times in a row.
    box.refusals = 12
    with caplog.at_level(logging.ERROR):
        tell_of_a_failure(ValueError("no objects"))
    (message,) = box.messages
    assert message["subject"] == "daily_etls.etl_load_events failed: scheduled__2016-05-11"
    assert caplog.text.count("The mail server fails, trying again") == 2


def test_a_mail_that_is_not_sent_in_the_end_is_an_error_in_the_log(
    box: FailingMailbox, caplog: pytest.LogCaptureFixture
) -> None:
    box.refusals = 100
    with caplog.at_level(logging.ERROR):
        tell_of_a_failure_quietly()
    assert not box.messages
    assert "This mail to ['ops@example.com'] was not sent: daily_etls.etl_load_events failed" in caplog.text


def tell_of_a_failure_quietly() -> None:
    """As Airflow does: a callback's error ends nothing."""
    with pytest.raises(OSError, match="451"):
        tell_of_a_failure(ValueError("no objects"))


def test_a_run_that_gave_its_place_back_is_no_failure_to_tell_of(box: FailingMailbox) -> None:
    tell_of_a_failure(PlaceGivenBackError("the day before failed"))
    assert not box.messages


def test_there_is_no_mail_without_addresses() -> None:
    assert not Mails([]).failure_callbacks()
