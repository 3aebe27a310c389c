"""Background jobs: procrastinate's tables on PostgreSQL; SQLite has no need of them.

Their schema is the pinned release's own. When the pin moves, a new migration calls procrastinate_schema.carry again:
it runs the release's upgrade scripts this database has not seen, and none where this migration made the newest.
"""

from alembic import op

from newsletter.jobs.engines import procrastinate_schema

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        procrastinate_schema.carry(op.get_bind().connection.driver_connection)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        procrastinate_schema.drop(op.get_bind().connection.driver_connection)
