"""Readers found by where their address begins, when they came, what they take; and files of readers to be imported.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op
from newsletter import db

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('ix_subscriber_created_at', 'subscriber', ['created_at', 'id'])
    paused = sa.text('paused_until IS NOT NULL')
    op.create_index('ix_subscriber_paused', 'subscriber', ['id'], sqlite_where=paused, postgresql_where=paused)
    op.create_index('ix_subscription_topic', 'subscription', ['topic_id', 'state', 'subscriber_id'])
    if op.get_bind().dialect.name == 'postgresql':
        # In other collations than this one an index finds no beginnings, and orders as nobody compares.
        op.execute('CREATE INDEX ix_subscriber_address_key_c ON subscriber (address_key COLLATE "C")')
    op.create_table('reader_import',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('actor', sa.Text(), nullable=False),
    sa.Column('choice', db.Json(), nullable=False),
    sa.Column('layout', sa.Text(), nullable=False),
    sa.Column('state', sa.Enum('uploading', 'checking', 'checked', 'importing', 'done', 'refused', name='importstate', native_enum=False, length=20), nullable=False),
    sa.Column('size', sa.Integer(), nullable=False),
    sa.Column('rows', sa.Integer(), nullable=True),
    sa.Column('rows_done', sa.Integer(), nullable=False),
    sa.Column('new', sa.Integer(), nullable=False),
    sa.Column('known', sa.Integer(), nullable=False),
    sa.Column('to_reconfirm', sa.Integer(), nullable=False),
    sa.Column('refused', sa.Integer(), nullable=False),
    sa.Column('stopped', sa.Integer(), nullable=False),
    sa.Column('sample', db.Json(), nullable=False),
    sa.Column('problem', sa.Text(), nullable=False),
    sa.Column('created_at', db.UtcDateTime(), nullable=False),
    sa.Column('began_at', db.UtcDateTime(), nullable=True),
    sa.Column('ended_at', db.UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name='pk_reader_import'),
    )
    op.create_table('reader_import_chunk',
    sa.Column('import_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['import_id'], ['reader_import.id'], name='fk_reader_import_chunk_import_id', ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('import_id', 'number', name='pk_reader_import_chunk'),
    )
    op.create_table('reader_import_refusal',
    sa.Column('import_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('line', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['import_id'], ['reader_import.id'], name='fk_reader_import_refusal_import_id', ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('import_id', 'line', name='pk_reader_import_refusal'),
    )


def downgrade() -> None:
    for table in ('reader_import_refusal', 'reader_import_chunk', 'reader_import'):
        op.drop_table(table)
    if op.get_bind().dialect.name == 'postgresql':
        op.execute('DROP INDEX ix_subscriber_address_key_c')
    op.drop_index('ix_subscription_topic', 'subscription')
    op.drop_index('ix_subscriber_paused', 'subscriber')
    op.drop_index('ix_subscriber_created_at', 'subscriber')
