"""Moving into another database: nothing is lost or changed, new rows go on after the old, nothing leaves by itself."""

import contextlib
import dataclasses

import pytest
from sqlalchemy import func, select

from newsletter import copying, db, errors, factory, settings
from newsletter.articles import pictures
from newsletter.articles.models import Article
from newsletter.issues import composing, lifecycle, planning
from newsletter.models import TABLES
from newsletter.outbox import workers
from newsletter.outbox.models import Message, Run, RunState
from newsletter.publication import topics
from tests import postgres
from tests.conftest import _create_database, _drop_database, both_engines
from tests.issues.world import NOON, article, magazine, newsletter, reader


@pytest.fixture
def a_magazine(room):
    """A small magazine with a picture, a calendar, an issue under way and another in draft."""
    magazine()
    daily = newsletter(at="07:00", zone="Europe/Berlin")
    for _ in range(5):
        reader("music", of=daily)
    story = article("music", hypes=3952, headline="Zwölf Boxkämpfer jagen Viktor")
    story.picture = pictures.store([pictures.Encoded("wide", 2, 1, bytes(range(256)))])
    issue = composing.compose(daily, now=NOON)
    lifecycle.approve(issue, actor="ed")
    lifecycle.send_now(issue, actor="ed")
    db.session.commit()
    assert planning.release(issue.id)
    article("art", headline="Another day")
    composing.compose(daily, now=NOON)
    db.session.commit()


@pytest.fixture
def empty(tmp_path, database_url):
    """The URL of an empty database of the other kind."""
    if database_url.startswith("postgresql"):
        yield f"sqlite:///{tmp_path}/other.db"
        return
    if not postgres.is_available():
        pytest.skip(postgres.MISSING)
    with postgres.cluster() as server:
        url = _create_database(server)
        yield url
        _drop_database(url)


@contextlib.contextmanager
def service_on(url: str):
    """The application on another database."""
    before = settings.current()
    app = factory.create_app(dataclasses.replace(before, database_url=url))
    with app.app_context():
        yield
        db.session.remove()
        db.extension.engine.dispose()
    settings.use(before)


def rows():
    found = {table.name: db.session.scalar(select(func.count()).select_from(table)) for table in TABLES.sorted_tables}
    db.session.rollback()
    return found


@both_engines
def test_everything_arrives_and_goes_on_there(a_magazine, empty):
    told = []
    counts = copying.copy(empty, lambda name, count: told.append((name, count)))
    assert counts == rows() == dict(told)
    assert (counts["message"], counts["rendition"], counts["issue"]) == (5, 1, 2)
    under_way = select(Run.state, Run.paused_reason).where(Run.state == RunState.RUNNING, ~Run.is_stream)
    assert db.session.execute(under_way).all() != []
    db.session.rollback()
    with service_on(empty):
        assert db.session.execute(under_way).all() == []
        assert RunState.PAUSED in set(db.session.scalars(select(Run.state).where(Run.paused_reason == copying.PAUSED)))
        story = db.session.scalars(select(Article).where(Article.hypes == 3952)).one()
        assert (story.headline, story.ready_at) == ("Zwölf Boxkämpfer jagen Viktor", NOON)
        assert story.picture.renditions[0].content == bytes(range(256))
        topics.add("gardens", "Gardens")  # a new row is numbered after the old ones
        db.session.commit()


@both_engines
def test_it_is_refused_while_a_worker_is_at_work_or_into_a_database_that_is_not_empty(a_magazine, empty):
    with db.extension.engine.begin() as connection:
        worker_id = workers.start(connection)
    with pytest.raises(errors.Conflict, match="Stop everything"):
        copying.copy(empty)
    with db.extension.engine.begin() as connection:
        workers.end(connection, worker_id)
    copying.copy(empty)
    with pytest.raises(errors.Conflict, match="not empty"):
        copying.copy(empty)


@both_engines
def test_a_row_that_came_out_different_undoes_the_whole_copy(a_magazine, empty, monkeypatch):
    pages = copying._pages

    def lossy(connection, table):
        for page in pages(connection, table):
            is_read_for_copying = table.name == "message" and connection.engine is db.extension.engine and not seen
            yield page[1:] if is_read_for_copying else page
        if table.name == "message":
            seen.append(True)

    seen: list[bool] = []
    monkeypatch.setattr(copying, "_pages", lossy)
    with pytest.raises(errors.NewsletterError, match="message came out different"):
        copying.copy(empty)
    with service_on(empty):
        assert set(rows().values()) == {0}


@pytest.mark.parametrize(
    ("url", "sentence"),
    [("mysql://x", "must begin with"), ("postgresql+psycopg://nobody@127.0.0.1:1/x", "cannot be reached")],
)
def test_a_database_that_cannot_be_had_is_said_in_a_sentence(room, url, sentence):
    with pytest.raises(errors.ConfigurationError, match=sentence):
        copying.copy(url)
    assert db.session.scalar(select(func.count(Message.id))) == 0
