"""Hostile words in every imported and typed text stay words: on the desk, in mails, in the archive, on public pages."""

import email
import email.policy
import html
import io
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy import select

from newsletter import clock, db
from newsletter.articles import importing as article_import
from newsletter.articles.models import Article, Picture, Rendition
from newsletter.audience import consent, reader_links, wishes
from newsletter.audience import importing as reader_import
from newsletter.audience.models import ConsentKind, Subscriber
from newsletter.audience.reader_links import ReaderLink
from newsletter.issues import editing, preflight
from newsletter.issues.models import Issue
from newsletter.outbox import composers
from newsletter.outbox.models import Message, MessageState, Run
from newsletter.publication import legal, masthead
from newsletter.publication.models import LegalKind
from newsletter.staff import editors, notices, sessions
from newsletter.staff.models import Role
from tests.web import desk, payloads, public_states
from tests.web.payloads import ADDRESS, CANARY, MARKUP, URL
from tests.web.test_admin_access import LEAST, _path, still, world  # noqa: F401 - fixtures

FEED = """<?xml version="1.0"?><rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"
xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>{words}</title>
<item><title>{words}</title><link>{url}</link><guid>{words}</guid><author>{words}</author><category>{words}</category>
<description>{words}</description><content:encoded>{body}</content:encoded><pubDate>{at}</pubDate></item>
<item><title>Script</title><link>javascript:{canary}()</link><guid>2</guid><pubDate>{at}</pubDate></item>
<item><title>Quotes</title><link>{quotes}</link><guid>3</guid><pubDate>{at}</pubDate></item>
</channel></rss>"""
BODY = MARKUP + f"<p style='x' onclick='{CANARY}()'><a href='javascript:{CANARY}()'>x</a><iframe srcdoc='{CANARY}'>"
HTML = "text/html"
# Columns of words of which a desk page is known to show each.
SHOWN = [
    "article.author", "article.dek", "article.headline", "article.picture_alt", "audit_entry.actor",
    "audit_entry.subject", "editor.name", "feed.last_error", "feed.title", "issue.held_reason",
    "issue.intro", "issue.preheader", "issue.subject", "issue_article.dek", "issue_article.headline", "masthead.name",
    "message.last_reply", "newsletter.promise", "newsletter.title", "notice.subject", "notice.text",
    "run.paused_reason", "suppression.note", "topic.name",
]  # fmt: skip


@pytest.fixture
def hostile(world, client, monkeypatch) -> dict[str, Any]:  # noqa: F811
    """The world of the access tests, with issues and everything else made of hostile words."""
    for kind in LegalKind:
        markdown = f"{MARKUP}\n\n[x](javascript:{CANARY}()) ![x](data:text/html,{CANARY}) <b onclick={CANARY}()>b</b>"
        legal.publish(kind, title=MARKUP, markdown=markdown)
    legal.word_consent(f"{MARKUP} {{terms}} {{privacy}}")
    masthead.save(masthead.Plan("The Magazine", labels={"more": MARKUP[:40]}))
    sheet = f'email,newsletters,topics,status,consent_at,consent_source\n"{ADDRESS}",daily,music,confirmed,' + (
        f'2026-01-01T00:00+00:00,"{MARKUP.replace(chr(34), chr(34) * 2)}"\n'
    )
    assert reader_import.import_csv(io.BytesIO(sheet.encode())).new == 1
    document = FEED.format(
        words=html.escape(MARKUP),
        url=f"https://magazine.example/imported?a={CANARY}&amp;b=%22%3E%3C{CANARY}%3E",
        body=html.escape(BODY),
        at=f"{clock.now():%a, %d %b %Y %H:%M:%S} +0000",
        canary=CANARY,
        quotes=html.escape(URL),
    )
    report = article_import.import_file(document.encode(), topics=["design"])
    assert (report.new, len(report.problems)) == (1, 2), "links that are none are refused at the door"
    picture = Picture(created_at=clock.now())
    picture.renditions = [
        Rendition(hash=label * 16, label=label, width=1200, height=800, content=b"x") for label in ("wide", "small")
    ]
    for article in db.session.query(Article):
        article.picture = picture
    # Preflight refuses a tag that nothing fills; here it is tried what comes of one that passed.
    monkeypatch.setattr(preflight, "refuse_harm", lambda _issue: None)
    payloads.poison()
    issue = db.session.get_one(Issue, world["issue_id"])
    editing.word(issue, editing.Words(MARKUP, MARKUP, MARKUP), editing.Hand("test"))
    editing.reword(issue, issue.stories[0].article_id, headline=MARKUP, dek=MARKUP, hand=editing.Hand("test"))
    desk.issue("breaking", "sent")
    desk.issue("daily", "scheduled")
    reader = db.session.query(Subscriber).order_by(Subscriber.id.desc()).first()
    ends = (MessageState.BOUNCED, MessageState.UNCERTAIN, MessageState.DEFERRED, MessageState.SKIPPED)
    for message in db.session.query(Message):
        message.state = dict(enumerate(ends)).get(message.id % 5, message.state)
    origin = consent.Origin("form", MARKUP, "192.0.2.4", MARKUP)
    consent.record(ConsentKind.CONFIRMED, reader, wishes.named(["daily:music"]), origin, note=MARKUP)
    desk.log_in(client, Role.ADMIN)
    editor = editors.find("admin@magazine.example")
    assert editor is not None
    sessions.start(editor, agent=MARKUP, source_address=MARKUP)
    notices.tell("hostile", subject="Told", text="Something.")
    db.session.commit()
    written = payloads.poison()
    assert {"article.headline", "newsletter.promise", "message.last_reply", "suppression.note"} <= set(written)
    link, reader_id = reader_links.token(ReaderLink(reader.id, 1)), reader.id
    db.session.rollback()
    public = {"token": link, "number": 1, "language": "en", "name": "none", "digest": "0" * 64}
    return world | public | {"reader_id": reader_id}


@pytest.mark.parametrize(
    "page",
    [
        f"<p>{MARKUP}</p>",
        f'<p title="{MARKUP}">',
        f"<p title='{MARKUP}'>",
        f"<p title={CANARY} {CANARY}=1>",
        f"<title>{MARKUP}</title>",
        f"<textarea>{MARKUP}</textarea>",
        f"<style>p {{ {CANARY} }}</style>",
        f"<script>let x = '{CANARY}'</script>",
        f"<a href='java\tscript:{CANARY}()'>",
        f"<a href=' data:text/html,{CANARY}'>",
        f"<iframe srcdoc='<img onerror={CANARY}>'>",
        f"<p style='{CANARY}'>",
        "<base href='https://evil.example'>",
        f"<p>{payloads.CALCULATED}",
    ],
)
def test_the_judge_sees_what_a_browser_would_do(page):
    assert payloads.harm(page)


def _walk(client, paths: list[str]) -> dict[str, str]:
    """The pages at these addresses that are HTML."""
    pages = {}
    for path in paths:
        answer = client.get(path, buffered=True)
        assert answer.status_code < 500, path
        if answer.mimetype == HTML:
            pages[path] = answer.text
    return pages


def _desk_paths(hostile: dict[str, Any]) -> list[str]:
    """Every page there is, each of an issue in all its states and with every list of its messages."""
    rules = [rule for method, rule in LEAST if method == "GET"]
    paths = [_path(rule, hostile | {"issue_id": number}) for rule in rules for number in (1, 2, 3)]
    lists = [f"/admin/issues/2/messages?state={state.value}" for state in MessageState]
    return list(dict.fromkeys([*paths, *lists, "/admin/suppressions?state=lifted"]))


def test_no_page_of_the_desk_makes_more_of_hostile_words(client, hostile):
    pages = _walk(client, _desk_paths(hostile))
    wrong = [(path, said) for path, page in pages.items() for said in payloads.harm(page)]
    assert wrong == []
    shown = "".join(pages.values())
    assert [name for name in SHOWN if f"from {name}." not in shown] == [], "the words are really there"


def test_no_form_of_the_desk_makes_more_of_what_is_typed(client, hostile, still):  # noqa: F811
    forms: dict[tuple[str, ...], tuple[str, str, dict[str, list[str]]]] = {}
    for path, page in _walk(client, _desk_paths(hostile)).items():
        for method, action, fields in _forms(page):
            kind = ("".join(each for each in action.partition("?")[0] if not each.isdigit()), method, *sorted(fields))
            forms.setdefault(kind, (method, action or path, fields))
    cookie = client.get_cookie("session").value
    still.keep()
    wrong = []
    for method, action, fields in forms.values():
        client.set_cookie("session", cookie)
        given = {"data": fields} if method == "post" else {"query_string": fields}
        answer = client.open(action, method=method.upper(), follow_redirects=True, buffered=True, **given)
        assert answer.status_code < 500, action
        if answer.mimetype == HTML:
            wrong += [(action, said) for said in payloads.harm(answer.text)]
        still.was_written()
    assert wrong == []
    assert len(forms) > 30


def _forms(page: str) -> list[tuple[str, str, dict[str, list[str]]]]:
    """Each form of a page, filled in: its method, its address, its fields."""
    found = []
    for form in LexborHTMLParser(page).css("form"):
        fields: dict[str, list[str]] = {}
        for field in form.css("input[name], textarea[name], select[name], button[name]"):
            if (value := _filled(field)) is not None:
                fields.setdefault(field.attributes["name"] or "", []).append(value)
        if not form.css("input[type=file]"):
            found.append((form.attributes.get("method") or "get", form.attributes.get("action") or "", fields))
    return found


def _filled(field: Any) -> str | None:
    """What is typed into a field; None where it is left."""
    kind, value = field.attributes.get("type") or "text", field.attributes.get("value") or ""
    if field.tag == "textarea":
        return MARKUP
    if field.tag == "select":
        options = [option.attributes.get("value") or option.text() for option in field.css("option")]
        return options[-1] if options else None
    if field.tag == "button" or kind in ("hidden", "number", "date", "time", "month"):
        return value
    if kind in ("checkbox", "radio"):
        return value if "checked" in field.attributes else None
    return {"email": ADDRESS, "url": URL}.get(kind, MARKUP)


def test_no_public_page_and_no_archive_makes_more_of_hostile_words(app, client, hostile):
    client.delete_cookie("session")
    rules = [rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    rules = [rule for rule in rules if not (rule + "/").startswith("/admin/") and rule != "/static/<path:filename>"]
    paths = [_path(rule, hostile | {"slug": slug}) for rule in rules for slug in ("breaking", "design")]
    pages = _walk(client, list(dict.fromkeys(paths)))
    wrong = [(path, said) for path, page in pages.items() for said in payloads.harm(page)]
    assert wrong == []
    assert CANARY in pages["/archive/breaking/1"]


@pytest.mark.slow
def test_no_outcome_of_a_public_form_makes_more_of_hostile_words(app, room, client):
    at = public_states.Stage(app, client)
    for code in ("en", "de"):
        for kind in LegalKind:
            legal.publish(kind, title=MARKUP, markdown=MARKUP, language=code)
    payloads.poison()
    wrong = []
    for route, _, what, reach in public_states.STATES:
        opening = reach(at)
        db.session.rollback()
        given = {"data": opening.fields} if route.startswith("POST") else {}
        answer = client.open(opening.path, method=route.split(" ")[0], **given)
        wrong += [(route, what, said) for said in payloads.harm(answer.text)]
    assert wrong == []


def test_no_mail_makes_more_of_hostile_words(client, hostile):
    wrong, kinds = [], set()
    for kind, row in _rows():
        (draft,) = composers.compose([row])
        wire = draft if isinstance(draft, composers.Skipped) else draft()
        if isinstance(wire, composers.Skipped):
            continue
        kinds.add(kind)
        message = email.message_from_bytes(wire.content, policy=email.policy.default)
        wrong += [(kind, name) for name in message if CANARY in name.lower() or name.lower() in ("bcc", "cc")]
        assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", HTML]
        page = message.get_body(("html",)).get_content()
        assert CANARY in page
        wrong += [(kind, said) for said in payloads.harm(page)]
    assert wrong == []
    assert kinds >= {"issue", "notice"}


def _rows() -> list[tuple[str, composers.Row]]:
    newest = select(Message, Run).join(Run, Run.id == Message.run_id)
    rows = [
        (run.kind, composers.Row(m.id, run.kind, run.ref, m.ref, m.recipient_id, m.address, m.message_id, clock.now()))
        for m, run in db.session.execute(newest).all()
    ]
    db.session.rollback()
    return list({(row.kind, row.ref): (kind, row) for kind, row in rows}.values())
