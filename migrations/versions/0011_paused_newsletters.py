"""A newsletter can be paused: its calendar stands still until it goes on.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from newsletter import db

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('newsletter', sa.Column('paused_at', db.UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column('newsletter', 'paused_at')
