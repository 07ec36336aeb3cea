# A program of a unit, and not part of a package.
# ruff: noqa: INP001, T201
"""Mails once when Airflow's units have been unwell for a while, and once when they are well again.

It runs every minute and keeps what it has told in ``$STATE_DIRECTORY``.
"""

import json
import os
import smtplib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from email.message import EmailMessage
from pathlib import Path
from typing import Any

# A unit that dies and is started again is up in between, but not for so long.
SETTLED_SECONDS = 30
TIMEOUT_SECONDS = 30
# Longer than between two looks.
UNSEEN_SECONDS = 200


def show(unit: str, *properties: str) -> dict[str, str]:
    """Return properties of a unit."""
    command = ["systemctl", "show", f"--property={','.join(properties)}", unit]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return dict(line.split("=", 1) for line in said.splitlines())


def unit_complaint(unit: str) -> str | None:
    """Say what is wrong with a unit; None when nothing is."""
    found = show(
        unit, "ActiveState", "SubState", "Result", "Type", "RemainAfterExit", "ActiveEnterTimestampMonotonic"
    )
    if found.get("Type") == "oneshot" and found["RemainAfterExit"] == "no":
        # A job: it is over, or at work, unless it has failed.
        return f"failed ({found['Result']})" if found["ActiveState"] == "failed" else None
    if found["ActiveState"] != "active":
        return f"{found['ActiveState']} ({found['SubState']}, {found['Result']})"
    up = time.clock_gettime(time.CLOCK_MONOTONIC) - int(found["ActiveEnterTimestampMonotonic"]) / 1e6
    if found.get("Type") == "notify" and up < SETTLED_SECONDS:
        return f"started {up:.0f} s ago"
    return None


def page_complaints(url: str) -> dict[str, str]:
    """Say what the web server has to complain of, or that it doesn't answer."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - of the module
            parts: dict[str, dict[str, Any]] = json.load(answer)
    except (OSError, ValueError) as error:
        return {"the web server": f"no answer: {error}"}
    return {name: part["status"] for name, part in parts.items() if part["status"] == "unhealthy"}


def complaints(settings: dict[str, Any]) -> dict[str, str]:
    """Say what is wrong on this host, by what it is wrong with."""
    units = {*show("airflow.target", "Wants")["Wants"].split(), *settings["units"]}
    found = {unit: complaint for unit in sorted(units) if (complaint := unit_complaint(unit))}
    return found | (page_complaints(settings["health"]) if settings["health"] else {})


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


def main(settings: dict[str, Any]) -> None:
    """Look once, and tell what is new."""
    memory = Path(os.environ["STATE_DIRECTORY"], "unwell.json")
    before: dict[str, Any] = (
        json.loads(memory.read_text()) if memory.exists() else {"told": False, "since": {}}
    )
    found, now = complaints(settings), time.time()
    # The same thing must be wrong each time; nobody knows of the time when nobody looked.
    since = before["since"] if now - before.get("looked", 0) < UNSEEN_SECONDS else {}
    since = {name: since.get(name, now) for name in found}
    host = socket.gethostname()
    told = before["told"]
    for name, complaint in found.items():
        print(f"{name}: {complaint}")
    if not found and told:
        send(settings, f"Airflow on {host} is well again", "All units are up.\n")
        told = False
    elif not told and any(now - start >= settings["after"] for start in since.values()):
        lines = [f"{name}: {complaint}" for name, complaint in found.items()]
        lines += ["", "On the host: systemctl status 'airflow*', journalctl -u UNIT", ""]
        send(settings, f"Airflow on {host} is unwell", "\n".join(lines))
        told = True
    partial = memory.with_suffix(".new")
    partial.write_text(json.dumps({"told": told, "since": since, "looked": now}))
    partial.replace(memory)


if __name__ == "__main__":
    try:
        main(json.loads(Path(sys.argv[1]).read_text()))
    except (OSError, smtplib.SMTPException) as error:
        sys.exit(f"no mail was sent, the next try is in a minute: {error}")
