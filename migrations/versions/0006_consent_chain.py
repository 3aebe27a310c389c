"""Consent records in a chain nobody can change, what may be forgotten beside them, and how new terms reach readers.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from newsletter import db
from newsletter.audience import agents, chain

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

_KEPT = {
    'consent_record': 'consent records are never changed or deleted',
    'legal_document': 'published texts are never changed or deleted',
    'consent_wording': 'published texts are never changed or deleted',
}
# A placeholder nobody agreed to may go when the magazine's own texts come.
_UNUSED = 'NOT EXISTS (SELECT 1 FROM consent_record)'
_DELETABLE = {
    'consent_record': 'false',
    'legal_document': _UNUSED,
    'consent_wording': _UNUSED,
}
_KINDS = ('requested', 'confirmed', 'withdrawn', 'imported', 'moved', 'erased')


def _words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, length=20)


def upgrade() -> None:
    bind = op.get_bind()
    is_sqlite = bind.dialect.name == 'sqlite'
    if is_sqlite:
        # A table that is made anew is dropped first, and with foreign keys on that would delete who refers to it.
        for statement in ('COMMIT', 'PRAGMA foreign_keys=OFF', 'BEGIN IMMEDIATE'):
            bind.exec_driver_sql(statement)
    made_anew = {'recreate': 'always', 'table_kwargs': {'sqlite_autoincrement': True}} if is_sqlite else {}
    with op.batch_alter_table('subscriber', **made_anew) as table:
        table.add_column(sa.Column('records_made', sa.Integer(), nullable=False, server_default='0'))
        table.add_column(sa.Column('is_measured', sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table('signup_request', **made_anew) as table:
        table.add_column(sa.Column('measurement', sa.Boolean(), nullable=False, server_default=sa.false()))
    for name, column in (('subscriber', 'records_made'), ('subscriber', 'is_measured'), ('signup_request', 'measurement')):
        with op.batch_alter_table(name, table_kwargs={'sqlite_autoincrement': True} if is_sqlite else {}) as table:
            table.alter_column(column, server_default=None)
    with op.batch_alter_table('legal_document') as table:
        table.add_column(sa.Column('way', _words('legalway', 'correction', 'told', 'asked'), nullable=False, server_default='told'))
        table.add_column(sa.Column('ask_by_at', db.UtcDateTime(), nullable=True))
    with op.batch_alter_table('legal_document') as table:
        table.alter_column('way', server_default=None)
    _rebuild_records(bind)
    op.create_table('link_request',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('subscriber_id', sa.Integer(), nullable=False),
    sa.Column('kind', _words('linkkind', 'preferences', 'private', 'move', 'moved'), nullable=False),
    sa.Column('address', sa.Text(), nullable=False),
    sa.Column('created_at', db.UtcDateTime(), nullable=False),
    sa.Column('expires_at', db.UtcDateTime(), nullable=False),
    sa.Column('used_at', db.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name='fk_link_request_subscriber_id', ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name='pk_link_request'),
    sqlite_autoincrement=True,
    )
    op.create_index('ix_link_request_subscriber_id', 'link_request', ['subscriber_id'])
    op.create_table('terms_ask',
    sa.Column('document_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('subscriber_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('asked_at', db.UtcDateTime(), nullable=False),
    sa.Column('answered_at', db.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['document_id'], ['legal_document.id'], name='fk_terms_ask_document_id'),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name='fk_terms_ask_subscriber_id', ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('document_id', 'subscriber_id', name='pk_terms_ask'),
    )
    op.create_index('ix_terms_ask_subscriber_id', 'terms_ask', ['subscriber_id'])
    op.create_table('leaving_reason',
    sa.Column('record_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('newsletter_id', sa.Integer(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('given_at', db.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['newsletter_id'], ['newsletter.id'], name='fk_leaving_reason_newsletter_id', ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('record_id', name='pk_leaving_reason'),
    )
    for table in _KEPT:
        _keep(bind, table)
    if is_sqlite:
        for statement in ('COMMIT', 'PRAGMA foreign_keys=ON', 'BEGIN IMMEDIATE'):
            bind.exec_driver_sql(statement)


def downgrade() -> None:
    bind = op.get_bind()
    for table in _KEPT:
        if bind.dialect.name == 'sqlite':
            for act in ('update', 'delete'):
                op.execute(f'DROP TRIGGER {table}_no_{act}')
        else:
            op.execute(f'DROP TRIGGER {table}_kept ON {table}')
            op.execute(f'DROP TRIGGER {table}_not_emptied ON {table}')
            op.execute(f'DROP FUNCTION {table}_kept()')
    for table in ('leaving_reason', 'terms_ask', 'link_request', 'consent_detail', 'consent_record'):
        op.drop_table(table)
    _create_old_records()
    for table, columns in {
        'legal_document': ('ask_by_at', 'way'),
        'signup_request': ('measurement',),
        'subscriber': ('is_measured', 'records_made'),
    }.items():
        for column in columns:
            op.drop_column(table, column)


def _rebuild_records(bind: sa.Connection) -> None:
    """Put the records there are into chains, in the order they were made."""
    earlier = bind.execute(sa.text(
        'SELECT consent_record.*, subscriber.address AS address FROM consent_record '
        'LEFT JOIN subscriber ON subscriber.id = consent_record.subscriber_id ORDER BY consent_record.id'
    ).columns(recorded_at=db.UtcDateTime(), wishes=db.Json())).mappings().all()
    op.drop_index('ix_consent_record_subscriber_id', 'consent_record')
    op.drop_table('consent_record')
    records = op.create_table('consent_record',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('subscriber_id', sa.Integer(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('request_id', sa.Integer(), nullable=True),
    sa.Column('kind', _words('consentkind', *_KINDS), nullable=False),
    sa.Column('purpose', _words('purpose', 'newsletters', 'measurement'), nullable=False),
    sa.Column('recorded_at', db.UtcDateTime(), nullable=False),
    sa.Column('sentence', sa.Text(), nullable=False),
    sa.Column('language', sa.Text(), nullable=False),
    sa.Column('terms_version', sa.Integer(), nullable=True),
    sa.Column('privacy_version', sa.Integer(), nullable=True),
    sa.Column('wishes', db.Json(), nullable=False),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('person_digest', sa.Text(), nullable=False),
    sa.Column('network_digest', sa.Text(), nullable=False),
    sa.Column('hash', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name='pk_consent_record'),
    sa.UniqueConstraint('subscriber_id', 'number', name='uq_consent_record_subscriber_id_number'),
    )
    details = op.create_table('consent_detail',
    sa.Column('subscriber_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('part', _words('part', 'person', 'network'), nullable=False),
    sa.Column('salt', sa.Text(), nullable=False),
    sa.Column('content', db.Json(), nullable=False),
    sa.Column('until_at', db.UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('subscriber_id', 'number', 'part', name='pk_consent_detail'),
    )
    op.create_index('ix_consent_detail_until_at', 'consent_detail', ['until_at'])
    heads: dict[int, tuple[int, str]] = {}
    for row in earlier:
        if row['address'] is not None:
            _chain(bind, records, details, row, heads)
    for reader, (made, _) in heads.items():
        bind.execute(sa.text('UPDATE subscriber SET records_made = :made WHERE id = :reader'), {'made': made, 'reader': reader})


def _chain(bind, records, details, row, heads) -> None:
    reader = row['subscriber_id']
    number, previous = heads.get(reader, (0, chain.START))
    number += 1
    beside = {
        'person': {
            'address': row['address'], 'page': row['page'], 'note': row['note'],
            'network': agents.network(row['source_address']), 'browser': agents.browser(row['agent']),
        },
        'network': {'source_address': row['source_address'], 'agent': row['agent']},
    }
    digests = {}
    for part, content in beside.items():
        kept = {name: text for name, text in content.items() if text}
        detail = chain.Detail(kept)
        digests[part] = detail.digest if kept else ''
        if kept:
            bind.execute(details.insert().values(
                subscriber_id=reader, number=number, part=part, salt=detail.salt, content=kept,
                until_at=row['recorded_at'] if part == 'network' else None,
            ))
    line = {
        **{name: row[name] for name in ('request_id', 'kind', 'sentence', 'language', 'terms_version', 'privacy_version', 'wishes', 'channel')},
        'subscriber_id': reader, 'number': number, 'purpose': 'newsletters',
        'person_digest': digests['person'], 'network_digest': digests['network'],
    }
    line_hash = chain.hash_of({**line, 'at': row['recorded_at']}, previous)
    bind.execute(records.insert().values(**line, recorded_at=row['recorded_at'], hash=line_hash))
    heads[reader] = (number, line_hash)


def _create_old_records() -> None:
    op.create_table('consent_record',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('subscriber_id', sa.Integer(), nullable=True),
    sa.Column('request_id', sa.Integer(), nullable=True),
    sa.Column('kind', _words('consentkind', *_KINDS[:4]), nullable=False),
    sa.Column('recorded_at', db.UtcDateTime(), nullable=False),
    sa.Column('sentence', sa.Text(), nullable=False),
    sa.Column('language', sa.Text(), nullable=False),
    sa.Column('terms_version', sa.Integer(), nullable=True),
    sa.Column('privacy_version', sa.Integer(), nullable=True),
    sa.Column('wishes', db.Json(), nullable=False),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('page', sa.Text(), nullable=False),
    sa.Column('source_address', sa.Text(), nullable=False),
    sa.Column('agent', sa.Text(), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name='fk_consent_record_subscriber_id', ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name='pk_consent_record'),
    )
    op.create_index('ix_consent_record_subscriber_id', 'consent_record', ['subscriber_id'])


def _keep(bind: sa.Connection, table: str) -> None:
    """Have the database itself refuse what must not happen to a table."""
    if bind.dialect.name == 'sqlite':
        refuse = f"BEGIN SELECT RAISE(ABORT, '{_KEPT[table]}'); END"
        op.execute(f'CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}')
        op.execute(f'CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} WHEN NOT ({_DELETABLE[table]}) {refuse}')
        return
    op.execute(f'''
        CREATE FUNCTION {table}_kept() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' THEN
                IF {_DELETABLE[table]} THEN RETURN OLD; END IF;
            END IF;
            RAISE EXCEPTION '{_KEPT[table]}';
        END $$''')
    op.execute(f'CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_kept()')
    op.execute(f'CREATE TRIGGER {table}_not_emptied BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {table}_kept()')
