"""Thursday’s Daily on a phone, in a real browser: approved by thumb or keyboard, undone, sent, looked into."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select, update

from newsletter import clock, db
from newsletter.issues import composing, lifecycle, planning
from newsletter.issues.models import Issue
from newsletter.outbox.models import Message
from newsletter.publication import newsletters
from newsletter.staff.models import Role
from tests import needed
from tests.web import barriers, desk

pytestmark = pytest.mark.skipif(needed.chromium() is None, reason=needed.CHROMIUM)


def _fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, page.url


def _is_in_order(page: Page) -> None:
    _fits(page)
    assert barriers.violations(page) == [], page.url


def _tab_to(page: Page, words: str) -> None:
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText").startswith(words):
            return
    raise AssertionError(f"No way to {words!r} by keyboard")


@pytest.fixture
def issue_id(room) -> int:
    """A draft that is to go tomorrow morning."""
    desk.magazine()
    issue = composing.compose(newsletters.get("weekly"), now=clock.now())
    issue.send_at = clock.now() + timedelta(hours=14)
    made = issue.id
    db.session.commit()
    return made


@pytest.fixture
def address(app, issue_id, serve) -> str:
    return serve(app)


@pytest.fixture
def page(browser, address, client):
    desk.log_in(client, Role.EDITOR)
    context = browser.new_context(color_scheme="dark", viewport={"width": 360, "height": 740}, has_touch=True)
    context.add_cookies([{"name": "session", "value": client.get_cookie("session").value, "url": address}])
    yield context.new_page()
    context.close()


def test_an_issue_is_approved_undone_and_stopped_by_thumb_or_keyboard(page, address):
    page.goto(f"{address}/admin")
    page.get_by_role("link", name="Review and approve").click()
    button = page.get_by_role("button", name="Approve and send")
    bar = button.bounding_box()
    assert bar["y"] + bar["height"] <= 740, "in a thumb's reach, wherever the page stands"
    assert bar["height"] >= 40
    page.evaluate("scrollTo(0, 0)")
    assert button.bounding_box() == bar
    _is_in_order(page)
    button.tap()
    expect(page.locator("main > .told")).to_contain_text("Approved. It goes")
    _fits(page)

    page.get_by_role("button", name="Undo the approval").tap()
    expect(page.locator("main > .told")).to_contain_text("Undone. It is a draft")
    _tab_to(page, "Approve and send")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Send now").click()
    _fits(page)
    page.get_by_role("button", name="Send").tap()
    timer = page.get_by_role("timer")
    expect(timer).to_contain_text("It goes in 5")
    _is_in_order(page)
    page.get_by_role("button", name="Undo: do not send").tap()
    expect(page.locator("main > .told")).to_contain_text("Undone. It goes")


@pytest.mark.slow
def test_what_became_of_its_mails_is_looked_into(app, page, address, issue_id):
    reader, number = _send(app, issue_id)
    page.goto(f"{address}/admin/issues/{issue_id}")
    expect(page.locator(".counts .sum dd")).to_have_text(str(number))
    _fits(page)
    for path in ("/uncertain", "/resending"):
        page.goto(f"{address}/admin/issues/{issue_id}{path}")
        _is_in_order(page)
    page.goto(f"{address}/admin/issues/{issue_id}/messages")
    page.get_by_label("Did they get it?").fill(reader)
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name=reader)).to_contain_text("550 5.7.1")
    _is_in_order(page)
    page.goto(f"{address}/admin")
    expect(page.get_by_role("link", name="What the mail server said")).to_be_visible()
    _is_in_order(page)


def _send(app, issue_id: int) -> tuple[str, int]:
    """Release it, with one mail refused and one uncertain; the address of the refused one, and how many mails."""
    with app.app_context():
        lifecycle.approve(db.session.get_one(Issue, issue_id), actor="test")
        db.session.commit()
        planning.release(issue_id)
        ids = db.session.scalars(select(Message.id).order_by(Message.id)).all()
        ended = {"settled_at": clock.now(), "attempts": 1, "last_reply": "550 5.7.1 " + "reasons" * 20}
        for message_id, state in zip(ids[:2], ("bounced", "uncertain"), strict=True):
            db.session.execute(update(Message).where(Message.id == message_id).values(ended | {"state": state}))
        reader = db.session.get_one(Message, ids[0]).address
        db.session.commit()
        return reader, len(ids)
