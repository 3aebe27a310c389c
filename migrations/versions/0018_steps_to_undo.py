"""What stood before each change of an open issue, so that it can be undone.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op
from newsletter import db

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('issue_edit',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('issue_id', sa.Integer(), nullable=False),
    sa.Column('editor_id', sa.Integer(), nullable=True),
    sa.Column('actor', sa.Text(), nullable=False),
    sa.Column('label', sa.Text(), nullable=False),
    sa.Column('joins', sa.Text(), nullable=False),
    sa.Column('before', db.Json(), nullable=False),
    sa.Column('edited_at', db.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['issue_id'], ['issue.id'], name='fk_issue_edit_issue_id', ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['editor_id'], ['editor.id'], name='fk_issue_edit_editor_id', ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name='pk_issue_edit'),
    )
    op.create_index('ix_issue_edit_issue', 'issue_edit', ['issue_id', 'id'])


def downgrade() -> None:
    op.drop_table('issue_edit')
