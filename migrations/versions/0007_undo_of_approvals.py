"""What the last approval or time of an issue changed, so that it can be taken back.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from newsletter import db

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('issue', sa.Column('undo', db.Json(), nullable=True))


def downgrade() -> None:
    op.drop_column('issue', 'undo')
