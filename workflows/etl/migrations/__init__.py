"""Versions of the warehouse's tables, run by `etl migrate`."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlalchemy as sa
    from alembic.config import Config

VERSION_TABLE = "etl_schema_version"


def _numbers() -> list[str]:
    return sorted(file.name.partition("_")[0] for file in Path(__file__).parent.glob("versions/[0-9]*.py"))


def newest() -> str:
    """Return the number of the newest version, which its file's name begins with."""
    return _numbers()[-1]


def pending(before: str | None) -> list[str]:
    """Return the numbers of the migrations that tables lack, in their order.

    Args:
        before: the version that the tables have; None for none.
    """
    return [number for number in _numbers() if before is None or number > before]


def upgrade(connection: "sa.Connection") -> None:
    """Bring the tables up to the newest version.

    Args:
        connection: an open transaction of the warehouse.
    """
    # Nothing else needs Alembic, and importing it takes longer than a small load.
    from alembic import command  # noqa: PLC0415

    command.upgrade(alembic_config(connection), "head")


def alembic_config(connection: "sa.Connection") -> "Config":
    """Return what Alembic's own commands need.

    Args:
        connection: an open transaction of the warehouse.
    """
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "etl:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
