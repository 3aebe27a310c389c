"""Editions sent to people who work here, before anybody else gets them.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

from newsletter import db

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "test_mail",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("plate", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", db.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name="fk_test_mail_issue_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_test_mail"),
        # A number is never given twice: the outbox knows its mails by it.
        sqlite_autoincrement=True,
    )
    op.create_index("ix_test_mail_issue_id", "test_mail", ["issue_id"])
    op.create_index("ix_test_mail_created_at", "test_mail", ["created_at"])


def downgrade() -> None:
    op.drop_table("test_mail")
