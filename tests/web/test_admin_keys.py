"""The desk by single keys that can be turned off, and in trouble: an error is told with a way back."""

import pytest

from newsletter.staff.models import Role
from tests import needed
from tests.web import desk


@pytest.mark.skipif(needed.chromium() is None, reason=needed.CHROMIUM)
def test_single_keys_lead_to_search_rows_and_places_and_can_be_turned_off(browser, room, app, client, serve):
    desk.magazine()
    desk.log_in(client, Role.ADMIN)
    address = serve(app)
    context = browser.new_context(viewport={"width": 360, "height": 800})
    context.add_cookies([{"name": "session", "value": client.get_cookie("session").value, "url": address}])
    page = context.new_page()
    page.goto(f"{address}/admin/articles")
    page.keyboard.press("j")
    first = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent") != first
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.textContent") == first
    page.keyboard.press("/")
    page.keyboard.type("jkg?")
    assert page.get_by_label("Words in the headline").input_value() == "jkg?"
    page.keyboard.press("Tab")
    page.locator("main").focus()
    page.keyboard.press("?")
    page.get_by_label("Use these keys").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert not page.locator("dialog.keys").is_visible()
    page.evaluate("localStorage.clear()")
    page.locator("main").focus()
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url("**/admin/calendar")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Settings").click()
    page.wait_for_url("**/admin/settings")
    context.close()


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [(Role.WRITER, "/admin/editors", 403), (Role.ADMIN, "/admin/issues/99", 404), (Role.ADMIN, "/admin/nowhere", 404)],
)
def test_an_error_of_the_desk_is_told_in_words_with_a_way_back(room, client, role, path, status):
    desk.magazine()
    desk.log_in(client, role)
    page = client.get(path, headers={"Referer": "http://localhost/admin/articles?q=x"})
    assert page.status_code == status
    assert 'href="/admin"' in page.text
    assert ('href="/admin/articles?q=x"' in page.text) == (path != "/admin/nowhere")
    elsewhere = client.get(path, headers={"Referer": "https://evil.example/admin/x"})
    assert "evil" not in elsewhere.text
