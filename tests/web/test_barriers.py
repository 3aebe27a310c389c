"""No barrier axe finds on any page that is open to all, nor in any mail: every route, every outcome, every template."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import flask
import pytest
from playwright.sync_api import Browser, Page

from newsletter import db
from newsletter.demo import loading
from newsletter.mail import digest, letters, looks
from newsletter.mail.templates import Rendered
from newsletter.publication import masthead
from tests import needed
from tests.mail.conftest import story, view
from tests.web import barriers, public_states
from tests.web.public_states import STATES, Opening, Stage
from tests.web.test_development import MAIL

pytestmark = pytest.mark.skipif(needed.chromium() is None, reason=needed.CHROMIUM)
TEMPLATES = Path(__file__).parents[2] / "templates"
# Every page once in each run, by turns light and narrow or dark and wide; in the long run in every look and language.
LOOKS = [("en", []), *(pytest.param(code, barriers.ALL, marks=pytest.mark.slow) for code in ("en", "de", "ar"))]
# Of which others are made, and the sample magazine's page, which is looked at below.
PARTS = {f"public/{name}.html" for name in ("base", "issue_parts", "issue_body", "sample")}
DEVELOPMENT = {
    "GET /inbox": "/inbox",
    "GET /inbox/<name>": "/inbox/1.eml",
    "GET /inbox/<name>/html": "/inbox/1.eml/html",
    "GET /sample": "/sample",
    "GET /sample/<slug>": "/sample/{slug}",
}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    # Colours that are on their way from light to dark would be measured half-way.
    context = browser.new_context(reduced_motion="reduce")
    yield context.new_page()
    assert context.cookies() == []
    context.close()


def test_every_route_that_is_open_to_all_and_answers_with_a_page_is_looked_at(app):
    known = {route for route, *_ in STATES} | set(DEVELOPMENT)
    routes = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) & {"GET", "POST"}
        if not (rule.rule + "/").startswith("/admin/") and rule.endpoint not in public_states.NO_PAGES
    }
    assert known - {"GET /readyz"} == routes


@pytest.mark.parametrize(("language", "looks"), LOOKS)
def test_no_page_in_any_outcome_has_a_barrier(app, room, client, serve, page, language, looks):
    at, shown = Stage(app, client), set()
    address = serve(app)
    # The pages of a failing database know no other language than the browser's.
    page.set_extra_http_headers({"Accept-Language": language})
    flask.template_rendered.connect(lambda _, template, **__: shown.add(template.name), app, weak=False)
    said = []
    for place, (route, status, what, reach) in enumerate(STATES):
        opening = reach(at)
        db.session.rollback()
        join = "&" if "?" in opening.path else "?"
        path = f"{address}{opening.path}{join}language={language}"
        found = _post(page, path, opening) if route.startswith("POST") else _status(page.goto(path))
        said += [] if found == status else [f"{route} {what}: {found}, not {status}"]
        said += [f"{route} {what} {each}" for each in barriers.found(page, looks or barriers.FEW[place % 2 :][:1])]
        assert page.locator("html").get_attribute("lang") == language, f"{route} {what}"
    assert "\n".join(said) == ""
    pages = {f"public/{each.name}" for each in (TEMPLATES / "public").glob("[a-z]*.html")}
    assert pages - shown - PARTS == set()


def test_the_pages_there_are_in_development_have_no_barrier(app, room, texts, configured, serve, page):
    loading.load()
    folder = Path(configured.mail_folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "1.eml").write_text(MAIL.format(to="ann@readers.example", subject="A subject", number=1))
    address, said = serve(app), []
    slug = page.request.get(f"{address}/sample").text().partition('href="/sample/')[2].partition('"')[0]
    for path in [each.format(slug=slug) for each in DEVELOPMENT.values() if not each.endswith("/html")]:
        assert _status(page.goto(address + path)) == 200, path
        said += [f"{path} {each}" for each in barriers.found(page, barriers.FEW)]
    assert "\n".join(said) == ""


def _post(page: Page, path: str, opening: Opening) -> int:
    """Press a form of ours with these fields."""
    fields = [
        (name, value)
        for name, values in opening.fields.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    page.goto("/".join([*path.split("/")[:3], "terms"]))
    with page.expect_navigation() as navigation:
        page.evaluate(f"""() => {{
            const form = document.createElement("form");
            form.method = "post"; form.action = {json.dumps(path)};
            for (const [name, value] of {json.dumps(fields)}) {{
                const field = document.createElement("input");
                field.name = name; field.value = value; form.append(field);
            }}
            document.body.append(form); form.submit();
        }}""")
    return _status(navigation.value)


def _status(answer) -> int:
    assert answer is not None
    return answer.status


WISHES = [letters.Wish("The Daily", ["Music", "Tech & Gadgets"]), letters.Wish("The Weekly", ["Art"])]
URL = "https://news.magazine.example/confirm/" + "t" * 90
HOUR = timedelta(hours=1)


def _letters(look: looks.Look, language: str) -> dict[str, Callable[[], Rendered]]:
    """How each mail is written, by its folder under templates/mail."""
    said = {"url": URL, "language": language}
    return {
        "confirm": lambda: letters.confirm(look, WISHES, lifetime=HOUR, **said),
        "add": lambda: letters.add(look, WISHES, lifetime=HOUR, **said),
        "preferences_link": lambda: letters.preferences_link(look, **said),
        "open_preferences": lambda: letters.open_preferences(look, **said),
        "private_link": lambda: letters.private_link(look, lifetime=HOUR, **said),
        "confirm_move": lambda: letters.confirm_move(look, earlier="a•••@readers.example", lifetime=HOUR, **said),
        "moved": lambda: letters.moved(look, now="b•••@readers.example", language=language),
        "agree": lambda: letters.agree(look, title="Terms of Use", by="Friday 27 November 2026", **said),
        "notice": lambda: letters.notice(look, subject="No. 214 is held", text="No stories.\n\nAdd one.", url=URL),
        "setup": lambda: letters.setup(look, url=URL, role="publisher", lifetime=HOUR),
        "digest": lambda: digest.render(_digest(look, language)).for_reader(
            token="t" * 90, address="ana@readers.example"
        ),
    }


def _digest(look: looks.Look, language: str) -> digest.Digest:
    picture = digest.Image("data:image/gif;base64,R0lGODlhAQABAAAAACw=", 240, 160)
    lead = story(0, topic="Footwear", headline="A shoe is taken apart", picture=picture)
    sections = (
        digest.Section("Fashion", (story(1, picture=picture), story(2, picture=None))),
        digest.Section("Music", (story(3, picture=picture),), 7, "https://news.magazine.example/a/1#music", "music"),
    )
    texts = (digest.Text("Terms of Use", "Friday 27 November 2026", "https://news.magazine.example/terms/2"),)
    return view(
        masthead=look, language=language, intro="Some **words**.", lead=lead, sections=sections,
        read_next=(story(4, topic="Art", picture=picture),), new_texts=texts,
    )  # fmt: skip


@pytest.mark.parametrize("language", ["ar", *(pytest.param(each, marks=pytest.mark.slow) for each in ("en", "de"))])
def test_no_mail_has_a_barrier(room, page, language):
    written, said = _letters(looks.of(masthead.current()), language), []
    assert set(written) == {each.parent.name for each in (TEMPLATES / "mail").glob("*/body.html")}
    for name, write in written.items():
        page.set_content(write().html)
        said += [f"{name} {each}" for each in barriers.found(page, barriers.FEW, without=barriers.MAIL)]
    assert "\n".join(said) == ""
