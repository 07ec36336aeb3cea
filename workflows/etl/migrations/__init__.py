"""Versions of the warehouse's tables, run by `etl migrate`."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlalchemy as sa
    from alembic.config import Config

VERSION_TABLE = "etl_schema_version"


def newest() -> str:
    """Return the number of the newest version, which its file's name begins with."""
    return max(file.name.partition("_")[0] for file in Path(__file__).parent.glob("versions/[0-9]*.py"))


def upgrade(connection: "sa.Connection", before: str | None) -> list[str]:
    """Bring the tables up to the newest version.

    Args:
        connection: an open transaction of the warehouse.
        before: the version that its tables have; None for none.

    Returns:
        The numbers of the migrations that ran, in their order.
    """
    # Nothing else needs Alembic, and importing it takes longer than a small load.
    from alembic import command  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = alembic_config(connection)
    command.upgrade(config, "head")
    if before == newest():
        return []
    script = ScriptDirectory.from_config(config)
    return [revision.revision for revision in script.iterate_revisions("head", before or "base")][::-1]


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
