"""The desk in a real browser: accessible, narrow, light to load, and nothing typed is lost."""

from datetime import date, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from newsletter import clock, db
from newsletter.issues import rescheduling
from newsletter.outbox import suppression
from newsletter.outbox.models import SuppressionReason
from newsletter.publication import newsletters
from newsletter.staff.models import Role
from tests import needed
from tests.web import desk

pytestmark = pytest.mark.skipif(needed.chromium() is None, reason=needed.CHROMIUM)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# The narrowest in the dark; in the long run every width in every scheme.
LOOKS = [
    ("dark", 320),
    *(pytest.param(*look, marks=pytest.mark.slow) for look in (("light", 320), ("dark", 1280), ("light", 1280))),
]
PAGE_BYTES = 200_000


@pytest.fixture
def address(app, room, serve) -> str:
    """The desk of a small magazine with an issue in every shown state, served on a port of its own."""
    desk.magazine()
    for number, state in enumerate(("cancelled", "sent", "sending")):
        desk.issue("breaking", state)
        desk.article(f"After the {state} one", "Music", number=100 + number)
    desk.issue("daily", "scheduled")
    desk.issue("weekly")
    rescheduling.skip(newsletters.get("daily"), date.fromisoformat(_days_ahead(12)), note="A quiet day", actor="test")
    suppression.suppress("reader3@readers.example", SuppressionReason.COMPLAINT, "Reported as spam")
    db.session.commit()
    return serve(app)


def _pages() -> list[str]:
    """Every page with something on it, and some with nothing."""
    return [
        "/admin",
        "/admin/issues",
        "/admin/issues/5",
        "/admin/issues/4",
        "/admin/issues/3",
        "/admin/issues/2",
        "/admin/issues/1",
        "/admin/issues/4/release",
        "/admin/issues/5/cancellation",
        "/admin/issues/5/preview",
        "/admin/issues/5/preview?as=text",
        "/admin/calendar",
        f"/admin/calendar/daily/{_days_ahead(10)}",
        f"/admin/calendar/daily/{_days_ahead(12)}",
        "/admin/audit",
        "/admin/audit?what=nothing",
        "/admin/articles",
        "/admin/articles?q=nothing",
        "/admin/articles/new",
        "/admin/articles/1/withdrawal",
        "/admin/feeds",
        "/admin/feeds/1",
        "/admin/newsletters",
        "/admin/newsletters/new",
        "/admin/newsletters/daily",
        "/admin/box",
        "/admin/box?topic=music",
        "/admin/readers",
        "/admin/readers/1",
        "/admin/suppressions",
        "/admin/suppressions/1",
        "/admin/suppressions?q=nobody",
        "/admin/settings",
        "/admin/masthead",
        "/admin/mail",
        "/admin/topics",
        "/admin/texts",
        "/admin/texts/terms/en/1",
        "/admin/editors",
        "/admin/login",
        "/admin/setup/wrong",
        "/admin/figures",
        "/admin/account",
        "/admin/account/two-step",
        "/admin/articles/1",
        "/admin/issues/3/messages",
        "/admin/issues/3/uncertain",
        "/admin/readers/imports",
    ]


def _days_ahead(days: int) -> str:
    return (clock.now() + timedelta(days=days)).date().isoformat()


def _open(browser: Browser, address: str, client, *, scheme: str = "light", width: int = 1280) -> Page:
    desk.log_in(client, Role.ADMIN)
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    context.add_cookies([{"name": "session", "value": client.get_cookie("session").value, "url": address}])
    return context.new_page()


def _is_loaded(answer) -> bool:
    """Whether it is part of a page; what live numbers fetch later is gone when the next page is opened."""
    return answer.status == 200 and answer.request.resource_type != "fetch"


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_every_page_is_accessible_fits_and_is_light(browser, address, client, scheme, width):
    page = _open(browser, address, client, scheme=scheme, width=width)
    said, answers = [], []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    # Their bodies are asked for afterwards: a call into the browser from within its event may wait for ever.
    page.on("response", lambda answer: answers.append(answer) if _is_loaded(answer) else None)
    for path in _pages():
        answers.clear()
        page.goto(address + path)
        page.wait_for_load_state("networkidle")
        found = Axe().run(page, options={"runOnly": RULES}).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert sum(len(answer.body()) for answer in answers) < PAGE_BYTES, path
    # The browser itself reports the one page that is refused on purpose.
    assert [each for each in said if "404" not in each] == []
    page.context.close()


def test_words_not_yet_saved_outlive_another_button_and_end_when_saved(browser, address, client):
    page = _open(browser, address, client)
    page.goto(f"{address}/admin/issues/5")
    page.get_by_label("Subject", exact=True).fill("Typed and not saved")
    assert page.get_by_text("Not saved yet").is_visible()
    page.get_by_role("button", name="Move down").first.click()
    page.wait_for_load_state()
    assert page.get_by_label("Subject", exact=True).input_value() == "Typed and not saved"
    page.get_by_role("button", name="Save the words").click()
    page.wait_for_load_state()
    assert page.locator("main > .told").inner_text() == "The words are saved."
    page.reload()
    assert page.get_by_label("Subject", exact=True).input_value() == "Typed and not saved"
    assert not page.get_by_text("Not saved yet").is_visible()
    page.context.close()


def test_an_issue_is_approved_by_keyboard_alone(browser, address, client):
    page = _open(browser, address, client)
    page.goto(f"{address}/admin/issues/5")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText").startswith("Approve and send"):
            break
    page.keyboard.press("Enter")
    page.wait_for_load_state()
    assert page.locator("main > .told").inner_text().startswith("Approved. It goes Friday")
    page.context.close()
