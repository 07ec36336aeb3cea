# A program of a unit, and not part of a package.
# ruff: noqa: INP001, T201
"""Mails once when what Airflow needs has been unwell for a while, and once when all is well.

It runs every minute and keeps what it has told in ``$STATE_DIRECTORY``.
"""

import json
import os
import smtplib
import socket
import sys
import time
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from health import findings

TIMEOUT_SECONDS = 30
# Longer than between two looks.
UNSEEN_SECONDS = 200


def complaints(settings: dict[str, Any]) -> dict[str, str]:
    """Say what is wrong on this host, by what it is wrong with."""
    return {one.name: one.said for one in findings(settings) if not one.well}


def send(settings: dict[str, Any], subject: str, text: str) -> None:
    """Mail it to everybody who is to hear of it."""
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = subject, settings["from"], ", ".join(settings["to"])
    mail.set_content(text)
    kind = smtplib.SMTP_SSL if settings["encryption"] == "tls" else smtplib.SMTP
    with kind(settings["host"], settings["port"], timeout=TIMEOUT_SECONDS) as server:
        if settings["encryption"] == "starttls":
            server.starttls()
        if settings["user"]:
            password = Path(os.environ["CREDENTIALS_DIRECTORY"], "smtp-password").read_text().rstrip("\n")
            server.login(settings["user"], password)
        server.send_message(mail)


def main(settings: dict[str, Any], host_settings: dict[str, Any]) -> None:
    """Look once, and tell what is new.

    Args:
        settings: whom to tell, and how.
        host_settings: what there is to look at.
    """
    memory = Path(os.environ["STATE_DIRECTORY"], "unwell.json")
    before: dict[str, Any] = (
        json.loads(memory.read_text()) if memory.exists() else {"told": False, "since": {}}
    )
    found, now = complaints(host_settings), time.time()
    # The same thing must be wrong each time; nobody knows of the time when nobody looked.
    since = before["since"] if now - before.get("looked", 0) < UNSEEN_SECONDS else {}
    since = {name: since.get(name, now) for name in found}
    host = socket.gethostname()
    told = before["told"]
    for name, complaint in found.items():
        print(f"<4>{name}: {complaint}")
    if not found and told:
        send(
            settings, f"Airflow on {host} is well again", "Everything is well: airflow-health on the host.\n"
        )
        told = False
    elif not told and any(now - start >= settings["after"] for start in since.values()):
        lines = [f"{name}: {complaint}" for name, complaint in found.items()]
        lines += ["", "On the host: airflow-health, systemctl status 'airflow*', journalctl -u UNIT", ""]
        send(settings, f"Airflow on {host} is unwell", "\n".join(lines))
        told = True
    partial = memory.with_suffix(".new")
    partial.write_text(json.dumps({"told": told, "since": since, "looked": now}))
    partial.replace(memory)


if __name__ == "__main__":
    try:
        main(*(json.loads(Path(file).read_text()) for file in sys.argv[1:]))
    except (OSError, smtplib.SMTPException) as error:
        sys.exit(f"no mail was sent, the next try is in a minute: {error}")
