"""Alembic's entry: runs the migrations over the connection that `store.migrate` opened."""

from alembic import context

from fourpoint_core.store.models import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=Base.metadata, transaction_per_migration=True, compare_type=True
)
with context.begin_transaction():
    context.run_migrations()
