"""Notes, house ads and the sponsor between the stories of an issue.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op
from newsletter import db

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_PAID = sa.text("kind = 'sponsor' AND removed_at IS NULL")


def upgrade() -> None:
    op.create_table('issue_block',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('issue_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.Enum('note', 'ad', 'sponsor', name='blockkind', native_enum=False, length=20), nullable=False),
    sa.Column('place', sa.Enum('top', 'after_lead', 'end', name='blockplace', native_enum=False, length=20), nullable=False),
    sa.Column('label', sa.Text(), nullable=False),
    sa.Column('markdown', sa.Text(), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('link_text', sa.Text(), nullable=False),
    sa.Column('picture_id', sa.Integer(), nullable=True),
    sa.Column('alt', sa.Text(), nullable=False),
    sa.Column('removed_at', db.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['issue_id'], ['issue.id'], name='fk_issue_block_issue_id', ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['picture_id'], ['picture.id'], name='fk_issue_block_picture_id'),
    sa.PrimaryKeyConstraint('id', name='pk_issue_block'),
    )
    op.create_index('ix_issue_block_issue_id', 'issue_block', ['issue_id'])
    op.create_index('uq_issue_block_sponsor', 'issue_block', ['issue_id'], unique=True, sqlite_where=_PAID, postgresql_where=_PAID)


def downgrade() -> None:
    op.drop_table('issue_block')
