"""Editions keep the wire bytes they are sent as, instead of the html and text these are made of.

An edition from before keeps its place in who has had what; it cannot be sent any more.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("edition", sa.Column("plate", sa.LargeBinary(), nullable=False, server_default=""))
    # Plain statements, which SQLite knows: a table made anew would take edition_article along (ON DELETE CASCADE).
    op.drop_column("edition", "html")
    op.drop_column("edition", "text")


def downgrade() -> None:
    op.add_column("edition", sa.Column("html", sa.Text(), nullable=False, server_default=""))
    op.add_column("edition", sa.Column("text", sa.Text(), nullable=False, server_default=""))
    op.drop_column("edition", "plate")
