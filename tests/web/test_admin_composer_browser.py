"""The composer in a browser: stories change in place and by keys, the focus stays, and every change can be undone."""

import pytest

from newsletter import db
from newsletter.staff.models import Role
from tests import needed
from tests.web import desk

pytestmark = pytest.mark.skipif(needed.chromium() is None, reason=needed.CHROMIUM)


def _open(browser, address, client, *, width=1280):
    desk.log_in(client, Role.EDITOR)
    context = browser.new_context(viewport={"width": width, "height": 800})
    context.add_cookies([{"name": "session", "value": client.get_cookie("session").value, "url": address}])
    return context.new_page()


def _focused(page):
    return page.evaluate("[document.activeElement.closest('li')?.id, document.activeElement.textContent.trim()]")


def test_a_story_is_moved_and_dropped_by_keys_and_undone_with_the_focus_where_it_was(browser, room, app, client, serve):
    desk.magazine()
    issue_id = desk.issue("weekly")
    for number in range(3):
        desk.article(f"Late story {number}", number=200 + number)
    db.session.commit()
    address = serve(app)
    page = _open(browser, address, client, width=360)
    page.goto(f"{address}/admin/issues/{issue_id}")
    story = page.locator("li.story").first
    name = story.get_attribute("id")
    page.get_by_label("Subject", exact=True).fill("Half a sub")
    story.locator("button[value=down]").focus()
    where = _focused(page)
    page.keyboard.press("Alt+ArrowDown")
    page.keyboard.press("Alt+ArrowDown")
    page.locator(f"li.story:nth-of-type(3)#{name}").wait_for()
    page.get_by_text("Moved to 3 of 6.").wait_for()
    assert _focused(page) == where
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.locator(f"li.story:nth-of-type(1)#{name}").wait_for()
    page.locator(f"#{name} button[value=drop]").press("Enter")
    page.locator(f"li.gone#{name}").wait_for()
    assert _focused(page) == [name, "Undo"]
    page.keyboard.press("Enter")
    page.locator(f"li.story#{name}").wait_for()
    assert _focused(page)[0] == name
    for number in (0, 2):
        page.get_by_label(f"Take: Late story {number}").press("Space")
    page.locator(f"#{name} button[value=down]").click()
    page.get_by_text("Moved to 2 of 6.").wait_for()
    page.get_by_role("button", name="Take 2, leave 1").press("Enter")
    page.get_by_text("2 stories taken in. 1 story left out, for good.").wait_for()
    assert page.locator("li.story").count() == 8
    assert page.locator("#arrivals").count() == 0
    assert page.get_by_label("Subject", exact=True).input_value() == "Half a sub"
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.context.close()


def test_words_save_themselves_and_two_windows_lose_nothing(browser, room, app, client, serve):
    desk.magazine()
    issue_id, address = desk.issue("weekly"), serve(app)
    mine = _open(browser, address, client)
    theirs = mine.context.new_page()
    for page in (mine, theirs):
        page.goto(f"{address}/admin/issues/{issue_id}")
    mine.get_by_label("Subject", exact=True).press_sequentially("Typed by me ")
    mine.locator("[data-autosaved]", has_text="Saved").wait_for()
    assert mine.get_by_label("Subject", exact=True).input_value() == "Typed by me "
    mine.get_by_label("Subject", exact=True).press_sequentially("twice")
    mine.get_by_role("button", name="Undo: changed the words").wait_for()
    theirs.get_by_text("You changed this issue at").wait_for()
    theirs.get_by_label("Subject", exact=True).fill("Typed by them")
    theirs.get_by_text("Not saved: somebody else has changed it meanwhile.").wait_for()
    theirs.get_by_role("link", name="Look at it").click()
    theirs.wait_for_load_state()
    assert theirs.get_by_label("Subject", exact=True).input_value() == "Typed by them"
    theirs.get_by_role("button", name="Save the words").click()
    both = theirs.locator("main").inner_text()
    assert "Typed by me twice" in both
    assert theirs.get_by_label("Subject", exact=True).input_value() == "Typed by them"
    theirs.get_by_role("button", name="Keep mine").click()
    theirs.get_by_text("The words are saved.").wait_for()
    mine.get_by_text("You changed this issue at").wait_for()
    theirs.get_by_role("button", name="Undo: changed the words").click()
    theirs.get_by_text("Undone: changed the words.").wait_for()
    assert "by them" not in theirs.get_by_label("Subject", exact=True).input_value()
    assert theirs.get_by_text("Not saved yet").is_hidden()
    mine.context.close()
