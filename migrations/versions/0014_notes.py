"""Notes to those who had an article in an issue: issues with an audience of their own, beside the open one.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_OPEN = sa.text("state IN ('draft', 'approved', 'scheduled')")
_OPEN_BUT_NOTES = sa.text("state IN ('draft', 'approved', 'scheduled') AND about_article_id IS NULL")


def upgrade() -> None:
    op.drop_index("uq_issue_open", table_name="issue")
    # On SQLite a column is added with its reference only where the table stays as it is.
    op.execute("ALTER TABLE issue ADD COLUMN about_article_id INTEGER CONSTRAINT fk_issue_about_article_id REFERENCES article (id)")
    op.execute("ALTER TABLE issue ADD COLUMN about_issue_id INTEGER CONSTRAINT fk_issue_about_issue_id REFERENCES issue (id)")
    op.create_index("ix_issue_about_article_id", "issue", ["about_article_id"])
    op.create_index(
        "uq_issue_open",
        "issue",
        ["newsletter_id"],
        unique=True,
        sqlite_where=_OPEN_BUT_NOTES,
        postgresql_where=_OPEN_BUT_NOTES,
    )


def downgrade() -> None:
    op.drop_index("uq_issue_open", table_name="issue")
    # Drafts of notes would stand beside the open issue.
    op.execute("UPDATE issue SET state = 'cancelled' WHERE about_article_id IS NOT NULL AND state <> 'released'")
    op.drop_index("ix_issue_about_article_id", table_name="issue")
    if op.get_bind().dialect.name == "postgresql":
        op.drop_column("issue", "about_issue_id")
        op.drop_column("issue", "about_article_id")
    else:
        with op.batch_alter_table("issue") as table:
            table.drop_column("about_issue_id")
            table.drop_column("about_article_id")
    op.create_index(
        "uq_issue_open", "issue", ["newsletter_id"], unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN
    )
