"""The index of messages that ended otherwise than sent has their ids, so that a few of very many are found in it.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

_APART = sa.text("state IN ('bounced', 'expired', 'skipped', 'uncertain', 'cancelled')")


def _with(columns: list[str]) -> None:
    op.drop_index('ix_message_apart', 'message')
    op.create_index('ix_message_apart', 'message', columns, sqlite_where=_APART, postgresql_where=_APART)


def upgrade() -> None:
    _with(['run_id', 'state', 'id'])


def downgrade() -> None:
    _with(['run_id', 'state'])
