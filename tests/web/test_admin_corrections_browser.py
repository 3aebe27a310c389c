"""A story withdrawn on the desk in a real browser, on a phone and at a desk: what waits, and how it goes on."""

import pytest

from newsletter import db
from newsletter.staff.models import Role
from tests import needed
from tests.web import barriers, desk

pytestmark = pytest.mark.skipif(needed.chromium() is None, reason=needed.CHROMIUM)


def test_a_story_is_withdrawn_counted_and_gone_on_without(app, room, serve, browser, client):
    desk.magazine()
    desk.issue("daily", "sending")
    desk.issue("weekly", "scheduled")
    desk.log_in(client, Role.EDITOR)
    db.session.commit()
    address = serve(app)
    context = browser.new_context(viewport={"width": 360, "height": 780})
    context.add_cookies([{"name": "session", "value": client.get_cookie("session").value, "url": address}])
    page = context.new_page()
    page.goto(f"{address}/admin/articles/1")
    page.get_by_text("not yet").wait_for()
    found = barriers.found(page, barriers.FEW)
    page.set_viewport_size({"width": 360, "height": 780})
    page.get_by_role("link", name="Withdraw it …").click()
    found += barriers.found(page, barriers.FEW)
    page.set_viewport_size({"width": 360, "height": 780})
    page.get_by_label("Why").fill("It was never shown there.")
    page.get_by_role("button", name="Withdraw the article").click()
    assert (
        page.get_by_role("status").inner_text() == "The article is withdrawn. The Weekly 1, The Daily 1 wait for you."
    )
    page.goto(f"{address}/admin/issues/1")
    page.get_by_text("uncertain").first.wait_for()
    found += barriers.found(page, barriers.FEW)
    page.get_by_role("button", name="Approve the correction and go on").click()
    assert page.locator("main > .told").inner_text().startswith("The correction is approved.")
    page.goto(f"{address}/admin/issues/2")
    found += barriers.found(page, barriers.FEW)
    page.get_by_role("button", name="Go on without it").click()
    assert "It needs a new approval." in page.locator("main > .told").inner_text()
    context.close()
    assert found == []
