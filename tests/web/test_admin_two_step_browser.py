"""Two-step login in a real browser: set up, logged in with, a recovery code, a session ended; no barrier on the way."""

import re
from collections.abc import Iterator

import pyotp
import pytest
from playwright.sync_api import Browser, Page

from newsletter import clock, db
from newsletter.staff import editors, sessions
from newsletter.staff.models import Authenticator, EditorSession, Role
from tests import needed
from tests.web import barriers, desk

pytestmark = pytest.mark.skipif(needed.chromium() is None, reason=needed.CHROMIUM)
GOOD = "a quiet river in autumn"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(reduced_motion="reduce")
    yield context.new_page()
    context.close()


def _look(page: Page, *looks: int) -> None:
    """No barrier in these of the looks, by turns light and narrow or dark and wide."""
    assert barriers.found(page, [barriers.FEW[each] for each in looks or (0, 1)]) == []


def _forget_code() -> None:
    # As if the half minute in which a code was taken were over.
    row = db.session.get_one(Authenticator, editors.find("admin@magazine.example").id)
    row.last_step -= 2
    db.session.commit()


@pytest.fixture
def address(app, room, serve) -> str:
    """The desk of a magazine whose admin has a password, served on a port of its own."""
    desk.magazine()
    _, token = editors.add("admin@magazine.example", Role.ADMIN)
    editors.set_password(token, GOOD)
    db.session.commit()
    return serve(app)


def _log_in(page: Page, address: str) -> None:
    page.goto(f"{address}/admin/account")
    page.get_by_label("Email address").fill("admin@magazine.example")
    page.get_by_label("Password").fill(GOOD)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def _log_out(page: Page) -> None:
    page.get_by_role("button", name="Log out", exact=True).click()
    page.wait_for_url("**/admin/login")


def test_two_step_login_is_set_up_and_used_and_a_session_is_ended(address, page):
    _log_in(page, address)
    _look(page)
    app, codes = _set_up(page)
    _log_out(page)
    _forget_code()
    _log_in(page, address)
    _look(page)
    assert page.evaluate("document.activeElement.name") == "code"
    page.keyboard.type(app.now())
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/account")
    _log_out(page)
    _log_in(page, address)
    page.get_by_role("textbox", name="Code").fill(codes[3].upper())
    page.get_by_role("button", name="Log in").click()
    assert page.get_by_text("9 recovery codes are left").is_visible()
    _end_a_session(page)
    _invite(page, address, app)


def _set_up(page: Page) -> tuple[pyotp.TOTP, list[str]]:
    """Turn two-step login on, with a wrong code first; the app and the recovery codes."""
    page.get_by_role("link", name="Set it up").click()
    app = pyotp.TOTP(page.locator(".shared-key code").inner_text().replace(" ", ""))
    assert page.get_by_role("img", name="QR code").bounding_box()["width"] > 150
    _look(page)
    page.get_by_role("textbox", name="Code").fill("000000")
    page.get_by_role("button", name="Turn it on").click()
    assert page.get_by_text("This is not the code the app shows now").is_visible()
    _look(page, 0)
    page.get_by_role("textbox", name="Code").fill(app.now())
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Recovery codes").wait_for()
    codes = page.locator(".codes code").all_inner_texts()
    assert len(codes) == 10
    _look(page)
    page.get_by_role("link", name="I have kept them").click()
    return app, codes


def _end_a_session(page: Page) -> None:
    editor = editors.find("admin@magazine.example")
    sessions.start(editor, agent="Mozilla/5.0 (iPhone) Safari/604.1", source_address="192.0.2.9")
    db.session.commit()
    page.reload()
    line = page.get_by_role("listitem").filter(has_text="Safari, iPhone")
    assert "192.0.2.0/24" in line.inner_text()
    line.get_by_role("button", name="End").click()
    assert page.get_by_role("status").inner_text() == "That session has ended."
    assert len(sessions.of(editor.id)) == 1
    db.session.rollback()


def _invite(page: Page, address: str, app: pyotp.TOTP) -> None:
    """Invite somebody long after the last proof: asked who one is, by a code, and gone on with what was typed."""
    (row,) = db.session.query(EditorSession).filter_by(ended_at=None)
    row.proved_at = clock.now().replace(year=2020)
    db.session.commit()
    _forget_code()
    page.goto(f"{address}/admin/editors")
    page.get_by_label(re.compile("Email address")).fill("new@magazine.example")
    page.get_by_role("button", name="Make a one-time link").click()
    assert page.get_by_role("heading", name="Is it still you?").is_visible()
    _look(page)
    page.get_by_role("textbox", name="Code").fill(app.now())
    page.keyboard.press("Enter")
    page.wait_for_load_state()
    assert "/admin/setup/" in page.locator("#f-link").input_value()
    assert "the invitation works until" in page.get_by_role("listitem").filter(has_text="new@").inner_text()
    _look(page)
