"""A newsletter can be paused: its calendar stands still until it goes on.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op
from newsletter import db

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('newsletter', sa.Column('paused_at', db.UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column('newsletter', 'paused_at')
