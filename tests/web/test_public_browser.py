"""The public pages in a real browser: no barrier axe finds, keyboard alone, no motion; scanners change nothing."""

import email
import email.policy
import re
from datetime import timedelta

import pytest
import sqlalchemy
import time_machine

from newsletter import clock, db
from newsletter.audience import letters, reader_links, signup
from newsletter.audience.models import SignupRequest, Subscriber
from newsletter.audience.reader_links import ReaderLink
from newsletter.issues import composing, lifecycle, planning
from newsletter.models import TABLES
from newsletter.outbox import composers
from newsletter.publication import legal, newsletters
from newsletter.publication.models import LegalKind
from tests import needed
from tests.audience import magazine
from tests.issues import world
from tests.web import barriers

pytestmark = pytest.mark.skipif(needed.chromium() is None, reason=needed.CHROMIUM)
LOOKS = [
    ("light", 320, "en"),
    pytest.param("dark", 1280, "en", marks=pytest.mark.slow),
    pytest.param("dark", 320, "en", marks=pytest.mark.slow),
    pytest.param("light", 1280, "en", marks=pytest.mark.slow),
    pytest.param("light", 320, "ar", marks=pytest.mark.slow),
    pytest.param("dark", 1280, "de", marks=pytest.mark.slow),
]


SENTENCES = {"de": "Ich stimme {terms} zu, {privacy} gelesen.", "ar": "أوافق على {terms} و {privacy}."}


@pytest.fixture
def address(app, room, serve) -> str:
    magazine.found()
    for code, sentence in SENTENCES.items():
        legal.word_consent(sentence, code)
        for kind in LegalKind:
            legal.publish(kind, title=f"{kind.value} {code}", markdown="…", language=code)
    daily = newsletters.get("daily")
    world.article("music", ready_at=daily.created_at, hypes=3952, headline="A quiet record & a half")
    db.session.commit()
    issue = composing.compose(daily)
    lifecycle.approve(issue, actor="ed")
    lifecycle.send_now(issue, actor="ed")
    issue_id = issue.id
    db.session.commit()
    planning.release(issue_id)
    return serve(app)


@pytest.fixture
def tokens(address) -> dict[str, str]:
    magazine.ask(subscriptions=["daily:music", "weekly:art"])
    magazine.confirm()
    used = magazine.newest_token()
    reader = db.session.query(Subscriber).one()
    link = reader_links.token(ReaderLink(reader.id, newsletters.get("daily").id))
    magazine.ask("bo@readers.example", topics=["music"])
    found = {"link": link, "used": used, "confirm": magazine.newest_token()}
    db.session.rollback()
    return found


def _dump():
    db.session.rollback()
    with db.extension.engine.connect() as connection:
        return {table.name: connection.execute(sqlalchemy.select(table)).all() for table in TABLES.sorted_tables}


@pytest.mark.parametrize(("scheme", "width", "language"), LOOKS)
def test_every_page_and_error_is_accessible_and_fits(browser, address, tokens, scheme, width, language):
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800}, locale=language)
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    for path in (
        "/",
        "/subscribe?topic=music",
        "/embed",
        "/archive",
        "/archive/daily",
        "/archive/daily/1",
        "/topics/music",
        "/terms",
        "/terms/1",
        "/preferences",
        f"/confirm/{tokens['confirm']}",
        f"/confirm/{tokens['used']}",
        f"/preferences/{tokens['link']}",
        f"/unsubscribe/{tokens['link']}",
        "/confirm/wrong",
    ):
        page.goto(address + path)
        _check(page, path, width)
    page.goto(f"{address}/subscribe")
    with time_machine.travel(clock.now() + timedelta(minutes=1)):
        page.get_by_role("textbox").first.fill("ana@gmial.com")
        page.locator("button[type=submit]:not(.unseen)").click()
        page.locator(".summary").wait_for()
    _check(page, "what is wrong", width)
    assert page.evaluate("document.activeElement.id") == "signup-summary"
    # The browser itself reports the pages that are refused on purpose.
    assert [each for each in said if "404" not in each and "400" not in each] == []
    assert context.cookies() == []
    context.close()


def _check(page, path, width):
    assert barriers.violations(page) == [], path
    assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_a_reader_signs_up_by_keyboard_alone_and_nothing_moves(browser, address):
    context = browser.new_context(reduced_motion="reduce", viewport={"width": 360, "height": 800})
    page = context.new_page()
    page.goto(f"{address}/subscribe?topic=music")
    assert page.evaluate(
        "[...document.querySelectorAll('*')].every(each => getComputedStyle(each).transitionDuration === '0s')"
    )
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    order = []
    for _ in range(30):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.name || document.activeElement.innerText")
        order.append(name)
        if name == "email":
            page.keyboard.type("ana@readers.example")
        if name == "terms":
            page.keyboard.press("Space")
        if name == "Subscribe":
            break
    fields = [name for name in order if name in ("email", "topics", "newsletters", "terms", "Subscribe")]
    assert list(dict.fromkeys(fields)) == ["email", "topics", "newsletters", "terms", "Subscribe"]
    assert "leave_empty" not in order
    page.wait_for_timeout(2100)
    page.keyboard.press("Enter")
    page.get_by_role("status").wait_for()
    assert db.session.query(SignupRequest).count() == 1
    context.close()


def test_scanners_that_open_every_link_of_every_mail_change_nothing(browser, address, tokens, client):
    links = set()
    for request in db.session.query(SignupRequest).filter_by(used_at=None):
        row = composers.Row(1, signup.MAIL, 0, None, request.id, "x@y.example", "m@news.example", clock.now())
        mail = email.message_from_bytes(letters.compose(row).content, policy=email.policy.default)
        for part in mail.iter_parts():
            links |= set(re.findall(r"http://127\.0\.0\.1:8000(/[^\s\"<>]*)", part.get_content()))
    db.session.rollback()
    links |= {f"/unsubscribe/{tokens['link']}", f"/preferences/{tokens['link']}", "/archive/daily/1#music"}
    assert any("/confirm/" in each for each in links)
    before = _dump()
    for path in sorted(links):
        for _ in range(3):
            assert client.get(path).status_code == 200
            assert client.head(path).status_code == 200
    page = browser.new_page()
    for path in sorted(links):
        page.goto(address + path)
        page.mouse.wheel(0, 600)
    page.close()
    assert _dump() == before
