"""What preflight found in open issues, and what the addresses they link to answered.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

from newsletter import db

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "preflight",
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("findings", db.Json(), nullable=False),
        sa.Column("links", db.Json(), nullable=False),
        sa.Column("mails", db.Json(), nullable=False),
        sa.Column("inspected_at", db.UtcDateTime(), nullable=True),
        sa.Column("asked_at", db.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name="fk_preflight_issue_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("issue_id", name="pk_preflight"),
    )
    op.create_table(
        "checked_link",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("checked_at", db.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_checked_link"),
    )
    op.create_index("ix_checked_link_checked_at", "checked_link", ["checked_at"])


def downgrade() -> None:
    op.drop_table("checked_link")
    op.drop_table("preflight")
