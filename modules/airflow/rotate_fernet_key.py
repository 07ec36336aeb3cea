# A program of a command, and not part of a package.
# ruff: noqa: INP001, T201
"""Encrypts everything in the database with the first Fernet key, when the credential holds several.

Airflow's own ``rotate-fernet-key`` does it, unless a task is deferred: what such a task waits for can lie in
the database in the clear (it holds no secret then), and at that the command of Airflow 3.3 fails. So this is
encrypted first.
"""

import sys

from airflow.__main__ import main
from airflow.models.crypto import get_fernet
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session
from sqlalchemy import select


def encrypt_plain_triggers() -> int:
    """Encrypt what Airflow has left in the clear; return how many triggers that were."""
    with create_session() as session:
        # Airflow tells them apart in the same way.
        plain = session.scalars(select(Trigger).where(Trigger.encrypted_kwargs.startswith("{"))).all()
        for trigger in plain:
            trigger.encrypted_kwargs = get_fernet().encrypt(trigger.encrypted_kwargs.encode()).decode()
        return len(plain)


if __name__ == "__main__":
    print(f"encrypted what {encrypt_plain_triggers()} deferred tasks wait for")
    sys.argv = ["airflow", "rotate-fernet-key"]
    main()  # type: ignore[no-untyped-call]
