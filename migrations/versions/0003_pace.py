"""The pace of mail to the relay and to domains; uncertain messages found at once.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from newsletter import db

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('throttle',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('rate', sa.Double(), nullable=True),
    sa.Column('began', sa.Double(), nullable=False),
    sa.Column('slowed_at', db.UtcDateTime(), nullable=True),
    sa.Column('eased_at', db.UtcDateTime(), nullable=True),
    sa.Column('tokens', sa.Double(), nullable=False),
    sa.Column('refilled_at', db.UtcDateTime(), nullable=False),
    sa.Column('booked_to', db.UtcDateTime(), nullable=False),
    sa.Column('kept_until', db.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_throttle'))
    )
    uncertain = sa.text("state = 'uncertain'")
    op.create_index('ix_message_uncertain', 'message', ['run_id', 'id'], sqlite_where=uncertain, postgresql_where=uncertain)


def downgrade() -> None:
    op.drop_index('ix_message_uncertain', table_name='message')
    op.drop_table('throttle')
