"""A second step of logging in, recovery codes, when a session was last proved, and which newsletters an editor follows.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from newsletter import db

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('authenticator',
    sa.Column('editor_id', sa.Integer(), nullable=False),
    sa.Column('sealed', sa.Text(), nullable=False),
    sa.Column('last_step', sa.Integer(), nullable=False),
    sa.Column('created_at', db.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['editor_id'], ['editor.id'], name='fk_authenticator_editor_id', ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('editor_id', name='pk_authenticator'),
    )
    op.create_table('recovery_code',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('editor_id', sa.Integer(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('used_at', db.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['editor_id'], ['editor.id'], name='fk_recovery_code_editor_id', ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name='pk_recovery_code'),
    )
    op.create_index('ix_recovery_code_editor_id', 'recovery_code', ['editor_id'])
    op.create_table('unfollowed',
    sa.Column('editor_id', sa.Integer(), nullable=False),
    sa.Column('newsletter_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['editor_id'], ['editor.id'], name='fk_unfollowed_editor_id', ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['newsletter_id'], ['newsletter.id'], name='fk_unfollowed_newsletter_id', ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('editor_id', 'newsletter_id', name='pk_unfollowed'),
    )
    op.add_column('editor_session', sa.Column('proved_at', db.UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column('editor_session', 'proved_at')
    for table in ('unfollowed', 'recovery_code', 'authenticator'):
        op.drop_table(table)
