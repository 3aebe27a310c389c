"""Corrections: what editors changed in an article's words, and editions that can be corrected while they are sent.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

from newsletter import db

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ADDED = (
    ("article", "withdrawn_reason", sa.Text(), ""),
    ("article", "body_markdown", sa.Text(), ""),
    ("article", "held_fields", db.Json(), "[]"),
    ("issue", "correction_hash", sa.Text(), ""),
    ("issue", "correction_resumes", sa.Boolean(), sa.false()),
    ("edition_article", "correction_id", sa.Integer(), "0"),
)


def upgrade() -> None:
    op.create_table(
        "article_correction",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("article_id", sa.Integer(), nullable=False),
        sa.Column("corrected_at", db.UtcDateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("is_shown", sa.Boolean(), nullable=False),
        sa.Column("before", db.Json(), nullable=False),
        sa.Column("after", db.Json(), nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"], ["article.id"], name=op.f("fk_article_correction_article_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_article_correction")),
    )
    op.create_index(op.f("ix_article_correction_article_id"), "article_correction", ["article_id"])
    # With a default that stays no table is written anew: a magazine's editions are many.
    for table, name, kind, value in _ADDED:
        op.add_column(table, sa.Column(name, kind, nullable=False, server_default=value))
    op.add_column("edition", sa.Column("selection", db.Json(), nullable=True))


def downgrade() -> None:
    op.drop_column("edition", "selection")
    for table, name, _kind, _value in reversed(_ADDED):
        op.drop_column(table, name)
    op.drop_index(op.f("ix_article_correction_article_id"), table_name="article_correction")
    op.drop_table("article_correction")
