"""The ledger: what a claim reads."""

import contextlib

from sqlalchemy import event, text

from newsletter import db
from newsletter.outbox import ledger, postgresql_rounds, workers
from tests.conftest import both_engines


@both_engines
def test_a_claim_reads_what_is_queued_and_no_index_of_all_messages_can_stand_in(post_office):
    post_office.plan(600)
    db.session.rollback()
    engine = post_office.engine
    with engine.begin() as connection:
        connection.execute(text("UPDATE message SET state = 'sent' WHERE recipient_id <= 500"))
        worker = workers.start(connection)
        with _heard(connection) as asked:
            page = ledger.claim(connection, worker, ["issue"], limit=10)
        connection.rollback()
    assert [claim.row.recipient_id for claim in page.claims] == list(range(501, 511))
    (claiming,) = [each for each in asked if "'claimed'" in each[0]]
    with engine.connect() as connection:
        assert "ix_message_queued" in _plan(connection, *claiming)
        if connection.dialect.name == "postgresql":
            # Were the order the primary key's as well, PostgreSQL would take it on a large table, and read all that was
            # sent before the first that is queued.
            connection.execute(text("DROP INDEX ix_message_queued"))
            connection.execute(text("SET LOCAL enable_sort = off"))
            assert "Sort" in _plan(connection, *claiming)
        connection.rollback()


@both_engines
def test_what_names_its_messages_looks_them_up_by_their_key_however_many_a_worker_holds(post_office):
    """Statistics of a time when nobody held anything make the index of what workers hold look free."""
    post_office.plan(600)
    db.session.rollback()
    engine = post_office.engine
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))
        worker = workers.start(connection)
        ids = [claim.row.id for claim in ledger.claim(connection, worker, ["issue"], limit=600).claims][:24]
        with _heard(connection) as asked:
            assert len(ledger.intend(connection, worker, ids[:12])) == 12
            assert ledger.intend(connection, worker, ids[:12], again=True) == set(ids[:12])
            ledger.turn_back(connection, worker, ids[12:])
        connection.rollback()
    assert len(asked) == 5
    with engine.connect() as connection:
        plans = [_plan(connection, *each) for each in asked]
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"PREPARE round AS {postgresql_rounds.SENT_AND_INTENDED}"))
            told = "1, now(), 500, '{1,2}', '{250,250}', '{ok,ok}', '{3,4}', '{}', '{}'"
            plans += connection.execute(text(f"EXPLAIN EXECUTE round ({told})".replace(":", r"\:"))).scalars().all()
            connection.execute(text("DEALLOCATE round"))
    assert not [plan for plan in plans if "ix_message_claimed_by" in plan]


@contextlib.contextmanager
def _heard(connection):
    """The statements of this block, with their values."""
    asked = []

    def hear(*told):
        asked.append(told[2:4])

    event.listen(connection, "before_cursor_execute", hear)
    yield asked
    event.remove(connection, "before_cursor_execute", hear)


def _plan(connection, statement, values):
    words = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    return "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(words + statement, values))
