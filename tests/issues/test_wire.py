"""The bytes of a reader's digest, and who gets none after all."""

import dataclasses
import email.policy
from datetime import timedelta

import pytest
from sqlalchemy import select

from newsletter import db, settings
from newsletter.audience import reader_links
from newsletter.audience.models import SubscriptionState
from newsletter.issues import archive, composing, lifecycle, planning, previews, wire
from newsletter.issues.models import Issue
from newsletter.outbox.composers import Row, Skipped
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


def row(issue: Issue) -> Row:
    message = db.session.scalars(select(Message)).one()
    return Row(
        message.id, "issue", issue.id, message.ref, message.recipient_id, message.address, message.message_id, NOON
    )


def parsed(content: bytes):
    return email.message_from_bytes(content, policy=email.policy.default)


def test_a_digest_is_the_readers_own_and_the_same_on_every_attempt(sent):
    issue, one = sent
    found = wire.compose(row(issue))
    assert found == wire.compose(row(issue))
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
    assert wire.compose(row(issue)) == Skipped(reason)


def test_an_address_no_mail_can_reach_is_skipped_with_a_sentence(sent):
    issue, _ = sent
    found = wire.compose(dataclasses.replace(row(issue), address="jürgen@readers.example"))
    assert isinstance(found, Skipped)
    assert "jürgen@readers.example" in found.reason


def test_what_is_sent_is_what_was_rendered_at_release(sent, configured):
    issue, _ = sent
    first = wire.compose(row(issue))
    settings.use(dataclasses.replace(configured, postal_address="Elsewhere", sender="Other <o@elsewhere.example>"))
    issue.newsletter.title = "Another title"
    db.session.commit()
    wire._letters.clear()
    assert wire.compose(row(issue)) == first


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
    view = archive.view(archive.find("daily", 1))
    assert view.lead.headline == "Quiet record"
    assert [story.headline for section in view.sections for story in section.stories] == ["Loud painting"]
    assert (view.why, archive.title(issue)) == ("", "Quiet record")
    assert archive.latest(issue.newsletter) is issue


def test_a_newsletter_that_is_not_public_is_not_in_the_archive(sent):
    issue, _ = sent
    issue.newsletter.is_public = False
    db.session.flush()
    assert archive.issues() == []
