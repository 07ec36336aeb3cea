"""What the jobs and the DAG are told by the environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import ConfigError

if TYPE_CHECKING:
    import sqlalchemy as sa

RUNNERS = ("local", "lambda")
DURATIONS = {
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
# What a URL that names a database alone takes: the first that is here.
DRIVERS = {
    "mysql": ("mysql+mysqldb", "mysql+pymysql"),
    "postgresql": ("postgresql+psycopg",),
    "sqlite": ("sqlite",),
}
BUCKET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
ACCESS_POINT = re.compile(r"arn:aws[a-z-]*:s3(-[a-z-]+)?:[a-z0-9-]*:[0-9]{12}:[A-Za-z0-9/:.-]+")
EARLIEST_RUN_DATE = date(1000, 4, 1)
LATEST_RUN_DATE = date(9999, 12, 30)


@dataclass(frozen=True)
class S3Location:
    """Where the days lie: ``s3://bucket/prefix/YYYY/MM/DD/``."""

    bucket: str
    prefix: str

    def day_prefix(self, day: date) -> str:
        """Return the key prefix of one day, with its trailing slash.

        Args:
            day: the UTC day of the events.
        """
        return self.key(day.isoformat().replace("-", "/") + "/")

    def key(self, name: str) -> str:
        """Return the key of what has this name under the prefix.

        Args:
            name: a relative path.
        """
        return f"{self.prefix}/{name}" if self.prefix else name


@dataclass(frozen=True)
class DagSettings:
    """What the DAG needs to know beyond the jobs' own settings."""

    runner: str
    start_date: date
    alert_emails: tuple[str, ...]
    late_after: timedelta
    weekly_emails: tuple[str, ...] = ()


def parse_run_date(text: object) -> date:
    """Read a run date.

    Args:
        text: the date as ``YYYY-MM-DD``.

    Raises:
        ConfigError: the text is not such a date, or too near the calendar's ends for the windows around it.
    """
    written = isinstance(text, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text)
    try:
        run_date = date.fromisoformat(written.group()) if written else None
    except ValueError:
        run_date = None
    if run_date is None:
        raise ConfigError(
            f"run date {text!r} is not a calendar date: write it as YYYY-MM-DD, such as 2016-02-22"
        )
    if not EARLIEST_RUN_DATE <= run_date <= LATEST_RUN_DATE:
        raise ConfigError(f"run date {text} is not between {EARLIEST_RUN_DATE} and {LATEST_RUN_DATE}")
    return run_date


def warehouse_url(environ: Mapping[str, str] = os.environ) -> "sa.URL":
    """Return the warehouse's address from ``ETL_WAREHOUSE_URL``, or from the file ``ETL_WAREHOUSE_URL_FILE``.

    With neither, it is a SQLite file under the user's state folder (``$XDG_STATE_HOME`` or
    ``~/.local/state``).

    Raises:
        ConfigError: the text is no SQLAlchemy URL of a supported database, or the file can't be read.
    """
    # The command's help and its arguments need the rest of this module, at once.
    import sqlalchemy as sa  # noqa: PLC0415

    name, text = "ETL_WAREHOUSE_URL", environ.get("ETL_WAREHOUSE_URL", "")
    if not text and (file := environ.get("ETL_WAREHOUSE_URL_FILE")):
        name = "ETL_WAREHOUSE_URL_FILE"
        try:
            text = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{name} names {file}, which can't be read: {error}") from None
        if not text:
            raise ConfigError(f"{name} names {file}, which is empty")
    if not text:
        try:
            state = environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        except RuntimeError:
            raise ConfigError("ETL_WAREHOUSE_URL must name the warehouse: this user has no home") from None
        return sa.URL.create("sqlite", database=str(Path(state) / "etl" / "warehouse.sqlite"))
    try:
        url = sa.make_url(text)
        supported = url.get_backend_name() in DRIVERS
        if supported:
            url = _with_driver(url)
    except (sa.exc.ArgumentError, ValueError):
        supported = False
    except (sa.exc.NoSuchModuleError, ImportError):
        raise no_driver(name, url) from None
    if not supported:
        # The text may hold a password, so it is not repeated.
        raise ConfigError(
            f"{name} does not hold the URL of a supported warehouse: write it as "
            "mysql://USER:PASSWORD@HOST/DATABASE, postgresql://…, or sqlite:///FILE"
        )
    return url


def no_driver(place: str, url: "sa.URL") -> ConfigError:
    """Return the error that says which extra of the package brings a database's driver.

    Args:
        place: where the address stands.
        url: the warehouse.
    """
    backend = url.get_backend_name()
    tested = DRIVERS[backend]
    if url.drivername not in (backend, *tested):
        return ConfigError(
            f"{place}: there is no driver {url.drivername} here; {tested[0]} is the tested one"
        )
    return ConfigError(f"{place}: there is no driver for {backend} here: install etl[{backend}]")


def _with_driver(url: "sa.URL") -> "sa.URL":
    """Return the URL with a driver that can be imported."""
    missing: ImportError | None = None
    for drivername in DRIVERS.get(url.drivername, (url.drivername,)):
        named = url.set(drivername=drivername)
        try:
            named.get_dialect().import_dbapi()
        except ImportError as error:
            missing = missing or error
        else:
            return named
    raise missing or ImportError(url.drivername)


def s3_location(environ: Mapping[str, str] = os.environ) -> S3Location:
    """Return where the days lie, from ``ETL_S3_BUCKET`` and ``ETL_S3_PREFIX``.

    Raises:
        ConfigError: a variable is missing; an empty prefix means the bucket's root.
    """
    bucket = environ.get("ETL_S3_BUCKET", "")
    if not bucket:
        raise ConfigError("ETL_S3_BUCKET must name the bucket that holds the events; it is not set")
    if not (BUCKET_NAME.fullmatch(bucket) or ACCESS_POINT.fullmatch(bucket)):
        raise ConfigError(
            f"ETL_S3_BUCKET must name the bucket that holds the events, and {bucket!r} is no bucket name: "
            "write the name alone, such as acme-events, without s3:// and without a path"
        )
    if "ETL_S3_PREFIX" not in environ:
        raise ConfigError(
            "ETL_S3_PREFIX must name the prefix under which the days lie; it is not set "
            "(set it to nothing if they lie at the bucket's root)"
        )
    prefix = environ["ETL_S3_PREFIX"]
    if "://" in prefix:
        raise ConfigError(
            f"ETL_S3_PREFIX must be a path within the bucket, such as prod/events, and {prefix!r} is none"
        )
    return S3Location(bucket, prefix.strip("/"))


def dag_settings(environ: Mapping[str, str] = os.environ) -> DagSettings:
    """Return the DAG's settings.

    They come from ``ETL_RUNNER``, ``ETL_START_DATE``, ``ETL_ALERT_EMAILS``, ``ETL_LATE_AFTER`` and
    ``ETL_WEEKLY_EMAILS``.

    Raises:
        ConfigError: the runner is unknown, the start date missing or malformed, an address has no ``@``, or
            the time after which a source is late is none.
    """
    runner = environ.get("ETL_RUNNER") or "local"
    if runner not in RUNNERS:
        raise ConfigError(f"ETL_RUNNER is {runner!r}; it must be one of {', '.join(RUNNERS)}")
    start = environ.get("ETL_START_DATE", "")
    if not start:
        raise ConfigError("ETL_START_DATE must be the first day to load, as YYYY-MM-DD; it is not set")
    try:
        start_date = parse_run_date(start)
    except ConfigError as error:
        raise ConfigError(f"ETL_START_DATE: {error}") from None
    alerts, weekly = (_emails(environ, name) for name in ("ETL_ALERT_EMAILS", "ETL_WEEKLY_EMAILS"))
    return DagSettings(runner, start_date, alerts, late_after(environ), weekly)


def _emails(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    emails = tuple(part.strip() for part in environ.get(name, "").split(",") if part.strip())
    for email in emails:
        if "@" not in email:
            raise ConfigError(f"{name} holds {email!r}, which is no e-mail address")
    return emails


def late_after(environ: Mapping[str, str] = os.environ) -> timedelta:
    """Return how long after a day's end its source is late, from ``ETL_LATE_AFTER``.

    Raises:
        ConfigError: it is no such time.
    """
    text = environ.get("ETL_LATE_AFTER") or "12h"
    written = re.fullmatch(r"([0-9]{1,6})(s|min|h|d)", text.strip())
    if not written:
        raise ConfigError(
            f"ETL_LATE_AFTER is {text!r}; write it as a number and its unit, s, min, h or d, such as 12h"
        )
    number, unit = written.groups()
    return int(number) * DURATIONS[unit]


def day_after(day: date) -> date:
    """Return the next calendar day."""
    return day + timedelta(days=1)
