"""The desk in a real browser: accessible, narrow, light to load, and nothing typed is lost."""

import io
from datetime import date, timedelta

import pytest
from playwright.sync_api import Browser, Page

from newsletter import clock, db
from newsletter.audience import imports
from newsletter.audience.importing import Choice
from newsletter.issues import rescheduling
from newsletter.outbox import suppression
from newsletter.outbox.models import SuppressionReason
from newsletter.publication import newsletters
from newsletter.staff.models import Role
from tests import needed
from tests.web import barriers, desk

pytestmark = pytest.mark.skipif(needed.chromium() is None, reason=needed.CHROMIUM)
# The narrowest in the dark; in the long run every width in every scheme.
LOOKS = [
    ("dark", 320),
    *(pytest.param(*look, marks=pytest.mark.slow) for look in (("light", 320), ("dark", 1280), ("light", 1280))),
]
PAGE_BYTES = 200_000


# What the desk's addresses answer beside pages: parts a page fetches, mails in a frame, files.
NO_PAGES = {
    "desk_amending.look",
    "desk_article.preview",
    "desk_article.reach",
    "desk_audit.export",
    "desk_figures.growth_sheet",
    "desk_figures.issues_sheet",
    "desk_imports.refused_sheet",
    "desk_imports.show_progress",
    "desk_issue.figures",
    "desk_issue.meanwhile",
    "desk_issue.show_progress",
    "desk_masthead.accent",
    "desk_masthead.sample",
    "desk_newsletters.meaning",
    "desk_preflight.show",
    "desk_previews.mail",
    "desk_readers.show_proof_data",
    "desk_texts.count",
    "desk_today.sending",
}


@pytest.fixture
def address(app, room, serve) -> str:
    """The desk of a small magazine with an issue and an import in every shown state, on a port of its own."""
    desk.magazine()
    for number, state in enumerate(("cancelled", "sent", "sending")):
        desk.issue("breaking", state)
        desk.article(f"After the {state} one", "Music", number=100 + number)
    desk.issue("daily", "scheduled")
    desk.issue("weekly")
    rescheduling.skip(newsletters.get("daily"), date.fromisoformat(_days_ahead(12)), note="A quiet day", actor="test")
    suppression.suppress("reader3@readers.example", SuppressionReason.COMPLAINT, "Reported as spam")
    db.session.commit()
    for state in ("done", "checked", "checking"):
        _import(state)
    return serve(app)


def _import(state: str) -> None:
    """A file of readers, one of them refused, brought as far as this state; committed."""
    rows = io.BytesIO(f"email\n{state}@readers.example\nnobody\n".encode())
    found = imports.bring(rows, name=f"{state}.csv", actor="publisher@magazine.example", choice=Choice())
    import_id = found.id
    if state != "checking":
        imports.work(import_id)
    if state == "done":
        imports.begin(imports.get(import_id))
        db.session.commit()
        imports.work(import_id)


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
        "/admin/issues/3/messages",
        "/admin/issues/3/uncertain",
        "/admin/issues/2/resending",
        "/admin/calendar",
        f"/admin/calendar/daily/{_days_ahead(10)}",
        f"/admin/calendar/daily/{_days_ahead(12)}",
        "/admin/audit",
        "/admin/audit?what=nothing",
        "/admin/articles",
        "/admin/articles?q=nothing",
        "/admin/articles/new",
        "/admin/articles/1",
        "/admin/articles/1/withdrawal",
        "/admin/feeds",
        "/admin/feeds/1",
        "/admin/newsletters",
        "/admin/newsletters/new",
        "/admin/newsletters/daily",
        "/admin/box",
        "/admin/box?topic=music",
        "/admin/readers",
        "/admin/readers?q=nobody",
        "/admin/readers/1",
        "/admin/readers/4",
        "/admin/readers/1/erasure",
        "/admin/readers/1/proof",
        "/admin/readers/imports",
        "/admin/readers/imports/1",
        "/admin/readers/imports/2",
        "/admin/readers/imports/3",
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
        "/admin/nowhere",
    ]


# Forms as they come back when what was typed into them cannot be: page, the button that sends it.
REFUSED = (
    ("/admin/articles", "Read the page and bring it in"),
    ("/admin/articles/new", "Publish the article"),
    ("/admin/newsletters/new", "Save"),
    ("/admin/feeds", "Add the feed"),
    ("/admin/readers/imports", "Look through the file"),
    ("/admin/editors", "Make a one-time link"),
    ("/admin/login", "Log in"),
)


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
        assert barriers.violations(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert sum(len(answer.body()) for answer in answers) < PAGE_BYTES, path
    # The browser itself reports the pages that are refused on purpose.
    assert [each for each in said if "404" not in each] == []
    page.context.close()


def test_a_form_that_comes_back_is_accessible_and_says_what_to_mend(browser, address, client):
    page = _open(browser, address, client, scheme="dark", width=320)
    for path, button in REFUSED:
        page.goto(address + path)
        # What the browser would not let through is sent all the same.
        page.evaluate("document.querySelectorAll('form').forEach(form => form.noValidate = true)")
        with page.expect_navigation():
            page.get_by_role("button", name=button, exact=True).click()
        assert page.locator(".problem, .wrong").count() > 0, path
        assert barriers.violations(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
    page.context.close()


def test_no_page_of_the_desk_is_left_out_of_the_walk(app, address):
    at = app.url_map.bind("localhost")
    walked = {at.match(path.partition("?")[0])[0] for path in _pages() if path != "/admin/nowhere"}
    readable = (rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ()))
    assert {rule.endpoint for rule in readable if rule.endpoint.startswith("desk_")} == walked | NO_PAGES


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


@pytest.mark.parametrize("width", [360, 1280])
def test_a_file_of_readers_is_looked_through_understood_and_taken_in(browser, address, client, tmp_path, width):
    file = tmp_path / "readers.csv"
    file.write_text(
        "email,status,consent_at,consent_source\n"
        "nora@readers.example,confirmed,2025-03-01T10:00:00Z,https://old.example/join\n"
        "ole@readers.example,,,\nreader3@readers.example,,,\nnobody,,,\n"
    )
    page = _open(browser, address, client, width=width)
    page.goto(f"{address}/admin/readers/imports")
    page.get_by_label("File (CSV)").set_input_files(file)
    page.get_by_role("group", name="Where the file names no newsletter").get_by_label("The Weekly").check()
    page.get_by_role("button", name="Look through the file").click()
    page.get_by_text("Being looked through.").wait_for()
    # The page shows by itself that the job is over.
    imports.work(4)
    page.get_by_role("button", name="Import 2 readers").wait_for()
    for shown in (
        "nora@readers.example",
        "consent of 2025-03-01T10:00:00Z: https://old.example/join",
        "This address must not be written to (bounced, complained or asked not to be).",
    ):
        assert page.get_by_text(shown).first.is_visible(), shown
    page.get_by_role("button", name="Import 2 readers").press("Enter")
    page.get_by_text("Being taken in.").wait_for()
    imports.work(4)
    page.get_by_role("heading", name="What came of it").wait_for()
    page.goto(f"{address}/admin/readers?q=nora@readers.example")
    page.get_by_role("link", name="nora@readers.example").click()
    page.get_by_text("Brought in from a file").first.wait_for()
    page.context.close()
