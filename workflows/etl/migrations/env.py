"""Runs the migrations in the transaction that `etl migrate` has opened."""

from alembic import context

from etl.migrations import VERSION_TABLE
from etl.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
