"""Readers' journeys in a real browser, on a telephone and a desk, in light and dark: accessible at every step."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from newsletter import clock, db
from newsletter.audience import asking, consent, fresh_links, reader_links
from newsletter.audience.models import LinkKind, LinkRequest, Subscriber
from newsletter.audience.reader_links import ReaderLink
from newsletter.publication import newsletters
from tests import needed
from tests.audience import magazine
from tests.web import barriers

pytestmark = pytest.mark.skipif(needed.chromium() is None, reason=needed.CHROMIUM)
# Each look once in every run, each with each width in the long one.
LOOKS = [
    ("light", 360),
    ("dark", 1280),
    pytest.param(("dark", 360), marks=pytest.mark.slow),
    pytest.param(("light", 1280), marks=pytest.mark.slow),
]
ANA = "ana@readers.example"


@pytest.fixture
def address(app, room, serve) -> str:
    magazine.found()
    return serve(app)


@pytest.fixture(params=LOOKS, ids="{0[0]}-{0[1]}".format)
def page(request, browser, address) -> Iterator[Page]:
    scheme, width = request.param
    context = browser.new_context(
        base_url=address,
        color_scheme=scheme,
        viewport={"width": width, "height": 740},
        java_script_enabled=True,
        accept_downloads=True,
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    yield page
    assert said == []
    assert context.cookies() == []
    context.close()


def _look(page: Page, heading: str) -> None:
    """The page says this first, passes the rules, and fits."""
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    assert barriers.violations(page) == [], heading
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), heading


def _press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    page.wait_for_load_state()


def _held() -> set[str]:
    db.session.rollback()
    found = consent.proof(ANA)["subscriptions"]
    db.session.rollback()
    return {f"{each['newsletter']}:{each['topic']}" for each in found if each["state"] == "confirmed"}


def _reader() -> str:
    """Ana reads; the token of her link in The Daily."""
    magazine.ask(subscriptions=["daily:music", "daily:fashion", "weekly:art"])
    magazine.confirm()
    link = ReaderLink(db.session.query(Subscriber).one().id, newsletters.get("daily").id)
    db.session.rollback()
    return reader_links.token(link)


def test_confirming(page):
    magazine.ask(newsletters=["daily", "weekly"])
    token = magazine.newest_token()
    db.session.rollback()
    page.goto(f"/confirm/{token}")
    _look(page, "Confirm your subscription")
    expect(page.get_by_text("Next issue:").first).to_be_visible()
    assert _held() == set()
    _press(page, "Confirm subscription")
    _look(page, "You are subscribed")
    assert "weekly:art" in _held()
    page.goto(f"/confirm/{token}")
    _look(page, "Already confirmed")


def test_choosing(page):
    page.goto(f"/preferences/{_reader()}")
    _look(page, "Your newsletters")
    page.get_by_role("group", name="Music").get_by_label("The Weekly").check()
    page.get_by_role("group", name="Fashion").get_by_label("The Daily").uncheck()
    day = (clock.now() + timedelta(days=20)).date().isoformat()
    page.get_by_label("Pause until").fill(day)
    _press(page, "Save")
    _look(page, "Your newsletters")
    expect(page.get_by_role("status")).to_have_text("Saved.")
    expect(page.get_by_text("Paused: nothing comes before")).to_be_visible()
    assert _held() == {"weekly:music", "weekly:art"}
    _press(page, "Send me the link")
    _look(page, "Look in your inbox")


def test_leaving(page):
    page.goto(f"/unsubscribe/{_reader()}")
    _look(page, "Leave The Daily?")
    _press(page, "Unsubscribe")
    _look(page, "You have left The Daily")
    assert _held() == {"weekly:art"}
    _press(page, "Undo")
    _look(page, "Undone")
    assert len(_held()) == 3
    page.get_by_role("link", name="Change topics or how often").click()
    page.get_by_role("link", name="Unsubscribe").click()
    _press(page, "Unsubscribe")
    page.get_by_label("No time to read").check()
    _press(page, "Send")
    _look(page, "You have left The Daily")
    expect(page.get_by_text("Thank you for telling us.")).to_be_visible()
    _press(page, "One month")
    _look(page, "A pause it is")
    _press_all(page)


def _press_all(page: Page) -> None:
    """Everything, at last."""
    page.get_by_role("link", name="Change topics or how often").click()
    page.get_by_role("link", name="Unsubscribe").click()
    _press(page, "Unsubscribe")
    _press(page, "Leave all newsletters of The Magazine")
    _look(page, "You have left The Magazine")
    assert _held() == set()


def test_leaving_for_less(page):
    page.goto(f"/unsubscribe/{_reader()}")
    _press(page, "Unsubscribe")
    page.get_by_label("Fashion").check()
    _press(page, "Keep these topics only")
    _look(page, "Your newsletters")
    assert _held() == {"daily:fashion", "weekly:art"}


def test_what_is_private(page):
    token = _reader()
    page.goto("/preferences")
    _look(page, "Your newsletters")
    reader = db.session.query(Subscriber).one()
    fresh_links.mail(LinkKind.PRIVATE, reader, reader.address)
    db.session.commit()
    private = fresh_links.token(db.session.query(LinkRequest).one())
    db.session.rollback()
    page.goto(f"/preferences/private/{private}")
    _look(page, "Your data")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download my data").click()
    with open(download.value.path(), encoding="utf-8") as data:
        assert json.load(data)["address"] == ANA
    page.get_by_label("New email address").fill("ana@new.example")
    _press(page, "Send the link")
    _look(page, "Look in your new inbox")
    move = fresh_links.token(db.session.query(LinkRequest).filter_by(kind="move").one())
    db.session.rollback()
    page.goto(f"/preferences/address/{move}")
    _look(page, "Confirm your new address")
    _press(page, "Use this address")
    _look(page, "Address changed")
    page.goto(f"/preferences/private/{private}")
    page.get_by_role("link", name="Erase me").click()
    _look(page, "Erase your data?")
    _press(page, "Erase everything")
    _look(page, "Erased")
    page.goto(f"/unsubscribe/{token}")
    _look(page, "Leave The Daily?")


def test_agreeing_to_new_terms_and_reading_them(page):
    _reader()
    document = asking.publish(
        title="Terms of Use",
        markdown="## What is new\n\nThe second terms.",
        language="en",
        ask_by_at=clock.now() + timedelta(days=9),
        readers=1,
    )
    while asking.ask_page():
        pass
    path = f"/agree/{asking.token(document.id, 1)}"
    db.session.commit()
    page.goto(path)
    _look(page, "Terms of Use, new version")
    page.get_by_role("link", name="Read version 2").click()
    _look(page, "Terms of Use")
    page.goto(path)
    _press(page, "I agree")
    _look(page, "Thank you")
    assert consent.proof(ANA)["records"][-1]["terms_version"] == 2
