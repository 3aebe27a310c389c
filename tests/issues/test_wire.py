"""The bytes of a reader's digest, and who gets none after all."""

import contextlib
import dataclasses
import email.policy
import zlib
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, select

from newsletter import db, errors, settings
from newsletter.audience import reader_links
from newsletter.audience.models import SubscriptionState
from newsletter.issues import archive, composing, lifecycle, planning, previews, wire
from newsletter.issues.models import Edition, Issue
from newsletter.outbox.composers import Row, Skipped, Wire
from newsletter.outbox.models import Message
from tests.conftest import both_engines
from tests.issues.world import NOON, article, magazine, newsletter, reader

pytestmark = both_engines


@pytest.fixture
def sent(room, time):
    """An issue on its way to one reader of music."""
    magazine()
    daily = newsletter(carries=("music", "art"))
    article("music", headline="Quiet record", hypes=3952, comments=1)
    article("art", headline="Loud painting")
    one = reader("music", of=daily)
    issue = composing.compose(daily, is_automatic=True)
    lifecycle.approve(issue, actor="ed")
    db.session.commit()
    planning.release(issue.id)
    return issue, one


def row(issue: Issue, message: Message | None = None) -> Row:
    message = message or db.session.scalars(select(Message)).one()
    return Row(
        message.id, "issue", issue.id, message.ref, message.recipient_id, message.address, message.message_id, NOON
    )


def composed(*rows: Row) -> list[Wire | Skipped]:
    return [draft if isinstance(draft, Skipped) else draft() for draft in wire.compose(rows)]


@contextlib.contextmanager
def counted(engine: Engine):
    """The queries of a block, without what begins and ends its transactions."""
    statements = []

    def note(_connection, _cursor, statement, *_):
        if statement.startswith("SELECT"):
            statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


def parsed(content: bytes):
    return email.message_from_bytes(content, policy=email.policy.default)


def test_a_digest_is_the_readers_own_and_the_same_on_every_attempt(sent):
    issue, one = sent
    [found] = composed(row(issue))
    assert [found] == composed(row(issue))
    assert found.is_stuffed
    mail = parsed(found.content)
    assert (mail["To"], mail["Subject"], found.sender) == (one.address, "Quiet record", "news@magazine.example")
    assert (mail["List-Id"], mail["Auto-Submitted"]) == ("The Daily <daily.magazine.example>", "auto-generated")
    assert mail["Feedback-ID"] == f"{issue.id}:daily:digest:magazine-exampl"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    token = mail["List-Unsubscribe"].split("/unsubscribe/")[1].split(">")[0]
    assert reader_links.read(token) == reader_links.ReaderLink(one.id, issue.newsletter_id)
    for kind in ("plain", "html"):
        body = mail.get_body((kind,)).get_content()
        assert all(words in body for words in ("Quiet record", "3,952 Hypes", "1 Comment", token, one.address))
        assert "SLOT" not in body
    assert "Loud painting" in mail.get_body(("plain",)).get_content()  # under what to read next


def leave(one):
    one.subscriptions[0].state = SubscriptionState.ENDED


def pause(one):
    one.paused_until = NOON + timedelta(days=1)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (leave, "unsubscribed"),
        (db.session.delete, "unsubscribed"),
        (pause, "paused"),
    ],
)
def test_who_left_or_paused_since_it_was_planned_gets_nothing(sent, act, reason):
    issue, one = sent
    act(one)
    db.session.commit()
    assert composed(row(issue)) == [Skipped(reason)]


def test_a_page_of_readers_is_two_queries_and_one_for_each_edition_not_met_before(room, time):
    magazine()
    daily = newsletter(carries=("music", "art"))
    article("music"), article("art")
    readers = [reader(topic, of=daily) for topic in ("music", "art") for _ in range(3)]
    issue = composing.compose(daily)
    lifecycle.approve(issue, actor="ed")
    db.session.commit()
    planning.release(issue.id)
    leave(readers[1])
    db.session.commit()
    rows = [row(issue, each) for each in db.session.scalars(select(Message).order_by(Message.id))]
    wire._kept.clear()
    for queries in (4, 2):
        with counted(db.extension.engine) as statements:
            found = composed(*rows)
        assert len(statements) == queries
        assert [getattr(each, "reason", "") for each in found] == ["", "unsubscribed", "", "", "", ""]
    for sent_to, each in zip(rows, found, strict=True):
        if isinstance(each, Wire):
            assert parsed(each.content)["To"] == sent_to.address


def test_no_more_editions_are_kept_than_there_is_room_for(sent, configured):
    issue, _ = sent
    first = composed(row(issue))
    wire._kept[(0, "of an edition met before")] = next(iter(wire._kept.values()))
    settings.use(dataclasses.replace(configured, press_bytes=1))
    wire._kept.pop((row(issue).ref, db.session.scalars(select(Edition.content_hash)).one()))
    assert composed(row(issue)) == first
    assert [edition_id for edition_id, _ in wire._kept] == [row(issue).ref]


@pytest.mark.parametrize("address", ["ana@", "a b@readers.example", "ana@-_.example", f"{'a' * 250}@readers.example"])
def test_an_address_no_mail_can_reach_is_skipped_with_a_sentence(sent, address):
    issue, _ = sent
    [found] = composed(row(issue)._replace(address=address))
    assert isinstance(found, Skipped)
    assert address in found.reason


def test_an_address_outside_ascii_says_what_its_server_must_offer(sent):
    issue, _ = sent
    [found] = composed(row(issue)._replace(address="jürgen@bücher.example"))
    assert found.needs_smtputf8
    assert "\r\nTo: jürgen@xn--bcher-kva.example\r\n".encode() in found.content
    [found] = composed(row(issue)._replace(address="juergen@bücher.example"))
    assert not found.needs_smtputf8
    assert found.content.isascii()


def test_what_is_sent_is_what_was_pressed_at_release(sent, configured):
    issue, _ = sent
    first = composed(row(issue))
    settings.use(
        dataclasses.replace(
            configured,
            postal_address="Elsewhere",
            sender="Other <o@elsewhere.example>",
            base_url="https://elsewhere.example",
        )
    )
    issue.newsletter.title = "Another title"
    issue.newsletter.sender = "Another <a@elsewhere.example>"
    db.session.commit()
    wire._kept.clear()
    assert composed(row(issue)) == first


@pytest.mark.parametrize("damage", [lambda plate: plate[:-9] + bytes(9), lambda plate: zlib.compress(b"Another mail")])
def test_an_edition_that_is_not_the_released_one_is_not_sent(sent, damage):
    issue, _ = sent
    edition = db.session.scalars(select(Edition)).one()
    edition.plate = damage(edition.plate)
    db.session.commit()
    wire._kept.clear()
    [draft] = wire.compose([row(issue)])
    with pytest.raises(errors.Damaged, match="cancel the issue"):
        draft()


def test_the_preview_shows_what_a_reader_of_these_topics_would_get(room, time):
    magazine()
    article("music", headline="Quiet record", hypes=2)
    art = article("art", headline="Loud painting")
    issue = composing.compose(newsletter())
    assert previews.render(issue).subject == "Quiet record"
    only_art = previews.render(issue, [art.topics[0].id])
    assert (only_art.subject, previews.ADDRESS in only_art.text) == ("Loud painting", True)


def test_the_web_issue_has_every_story_and_nothing_personal(sent):
    issue, _ = sent
    view = archive.published(archive.find("daily", 1)).view
    assert view.lead.headline == "Quiet record"
    assert [story.headline for section in view.sections for story in section.stories] == ["Loud painting"]
    assert (view.why, archive.published(issue).title) == ("", "Quiet record")
    assert archive.latest(issue.newsletter) is issue


@pytest.mark.parametrize("is_public", [True, False])
def test_a_mail_links_to_the_web_issue_exactly_where_there_is_one(room, time, is_public):
    settings.use(dataclasses.replace(settings.current(), section_size=2))
    magazine()
    daily = newsletter(carries=("music",), is_public=is_public)
    for _ in range(5):
        article("music")
    reader("music", of=daily)
    issue = composing.compose(daily)
    lifecycle.approve(issue, actor="ed")
    db.session.commit()
    planning.release(issue.id)
    [found] = composed(row(issue))
    for kind in ("plain", "html"):
        body = parsed(found.content).get_body((kind,)).get_content()
        assert [words in body for words in ("View in browser", "More in Music (3)", "/archive/")] == [is_public] * 3
    issue.newsletter.is_public = True  # from now on it has a page, and that says where it is
    db.session.flush()
    assert archive.published(archive.find("daily", 1)).view.web_url.endswith("/archive/daily/1")


def test_a_newsletter_that_is_not_public_is_not_in_the_archive(sent):
    issue, _ = sent
    issue.newsletter.is_public = False
    db.session.flush()
    assert archive.issues() == []
