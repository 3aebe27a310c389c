"""Who came and who left, counted by day, and after each issue.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from newsletter import db

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('growth_day',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('newsletter', sa.Text(), nullable=False),
    sa.Column('topic', sa.Text(), nullable=False),
    sa.Column('joined', sa.Integer(), nullable=False),
    sa.Column('departed', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('day', 'newsletter', 'topic', name='pk_growth_day'),
    )
    op.create_table('growth_mark',
    sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('record_id', sa.Integer(), nullable=False),
    sa.Column('counted_at', db.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name='pk_growth_mark'),
    )
    op.create_table('issue_left',
    sa.Column('issue_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['issue_id'], ['issue.id'], name='fk_issue_left_issue_id', ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('issue_id', name='pk_issue_left'),
    )


def downgrade() -> None:
    for table in ('issue_left', 'growth_mark', 'growth_day'):
        op.drop_table(table)
