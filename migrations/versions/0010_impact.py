"""The figures of open issues, kept as they were counted last.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

from newsletter import db

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "impact",
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("figures", db.Json(), nullable=False),
        sa.Column("counted_at", db.UtcDateTime(), nullable=True),
        sa.Column("rests_until", db.UtcDateTime(), nullable=True),
        sa.Column("asked_at", db.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name="fk_impact_issue_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("issue_id", name="pk_impact"),
    )


def downgrade() -> None:
    op.drop_table("impact")
