"""The box on a magazine's own page: another site, with and without script, framed and pasted."""

from urllib.parse import urlsplit

import pytest
from werkzeug.wrappers import Request, Response

from newsletter import db
from newsletter.audience.models import Subscriber
from newsletter.staff.models import Role
from newsletter.web.public import embed
from tests import needed
from tests.audience import magazine
from tests.web import desk

pytestmark = pytest.mark.skipif(needed.chromium() is None, reason=needed.CHROMIUM)


@pytest.fixture
def ours(app, room, serve) -> str:
    magazine.found()
    return serve(app)


@pytest.fixture
def theirs(ours, client, serve) -> str:
    """A magazine's page on another site, with the snippets an editor copied from the desk."""
    desk.log_in(client, Role.WRITER)
    page = client.get("/admin/box?topic=music").text
    pieces = [part.partition("</textarea>")[0] for part in page.split('data-copy="')[1:]]
    snippets = "\n".join(piece.partition(">")[2] for piece in pieces)
    for entity, sign in (("&lt;", "<"), ("&gt;", ">"), ("&#34;", '"'), ("&amp;", "&")):
        snippets = snippets.replace(entity, sign)
    body = "<!doctype html><title>Story</title>" + snippets.replace("http://127.0.0.1:8000", ours)

    @Request.application
    def show(request: Request) -> Response:
        return Response(body, mimetype="text/html")

    # Another name is another site to the browser.
    return serve(show).replace("127.0.0.1", "localhost")


def test_the_frame_is_as_tall_as_the_box_and_a_reader_signs_up_inside_it(browser, ours, theirs):
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.goto(theirs)
    frame = page.frame_locator("iframe")
    assert frame.get_by_label("Music").is_checked()
    page.wait_for_function("document.querySelector('iframe').height !== '720'")
    before = page.locator("iframe").bounding_box()["height"]
    frame.get_by_label("Email address").fill("ana@gmial.com")
    page.wait_for_timeout(2100)
    frame.get_by_role("button", name="Subscribe").click()
    frame.get_by_text("Please check 2 things").wait_for()
    page.wait_for_function(f"document.querySelector('iframe').getBoundingClientRect().height > {before} + 50")
    inner = page.frames[1].evaluate("[document.documentElement.scrollHeight, innerHeight]")
    assert inner[0] <= inner[1]
    frame.get_by_label("I agree").check()
    frame.get_by_role("button", name="Yes, use ana@gmail.com").click()
    frame.get_by_role("heading", name="Look in your inbox").wait_for()
    assert page.context.cookies() == []
    assert [each.address for each in db.session.query(Subscriber)] == ["ana@gmail.com"]
    page.close()


def test_without_script_the_frame_keeps_its_height_and_the_pasted_form_opens_our_page_filled(browser, ours, theirs):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(theirs)
    assert page.locator("iframe").bounding_box()["height"] == 720
    page.get_by_label("Email address").first.fill("bo@readers.example")
    page.locator("body > form").get_by_role("button", name="Subscribe").click()
    page.get_by_text("Please look through what is filled in").wait_for()
    assert urlsplit(page.url).netloc == urlsplit(ours).netloc
    assert "bo@" not in page.url
    assert page.get_by_label("Email address").input_value() == "bo@readers.example"
    assert page.get_by_label("Music").is_checked()
    assert not page.get_by_label("I agree").is_checked()
    assert context.cookies() == []
    assert db.session.query(Subscriber).count() == 0
    context.close()


def test_a_site_that_is_not_named_shows_no_box(browser, ours, theirs, app, monkeypatch):
    monkeypatch.setattr(embed, "_sites", lambda: ("https://magazine.example",))
    page = browser.new_page()
    page.goto(theirs)
    page.wait_for_timeout(300)
    assert page.frames[1].url.startswith("chrome-error:")
    page.close()
