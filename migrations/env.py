"""Alembic's environment: the connection comes from newsletter.schema, the target from the models."""

from alembic import context

from newsletter import schema
from newsletter.models import TABLES

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=TABLES,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    include_name=schema.is_ours,
    # Revisions speak of our own types as db.UtcDateTime.
    user_module_prefix="db.",
)
with context.begin_transaction():
    context.run_migrations()
