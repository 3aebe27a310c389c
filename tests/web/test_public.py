"""The public pages, as a browser, a scanner and a mail program meet them."""

import io
import re
from datetime import date, timedelta

import pytest
import sqlalchemy
import time_machine
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from newsletter import clock, db, errors
from newsletter.articles import pictures
from newsletter.articles.models import Picture, Rendition
from newsletter.audience import consent, reader_links
from newsletter.audience.models import ConsentRecord, Subscriber, Subscription
from newsletter.audience.reader_links import ReaderLink
from newsletter.issues import rescheduling
from newsletter.mail import looks
from newsletter.models import TABLES
from newsletter.outbox import suppression
from newsletter.outbox.models import SuppressionReason
from newsletter.publication import legal, masthead, newsletters
from newsletter.publication.models import LegalKind
from tests.audience import magazine

NOBODY = "nobody@readers.example"


@pytest.fixture(autouse=True)
def _magazine(room):
    magazine.found()


@pytest.fixture
def link(room):
    """Of a confirmed reader of The Daily (music) and The Weekly (art)."""
    magazine.ask(subscriptions=["daily:music", "weekly:art"])
    magazine.confirm()
    reader = db.session.query(Subscriber).one()
    found = ReaderLink(reader.id, newsletters.get("daily").id)
    db.session.rollback()
    return found


def _token(client, path="/subscribe", age=timedelta(minutes=1)):
    with time_machine.travel(clock.now() - age):
        return re.search(r'name="form" value="([^"]+)"', client.get(path).text)[1]


def _press(client, **fields):
    values = {"email": "ana@readers.example", "terms": "yes", "form": _token(client), **fields}
    return client.post("/subscribe", data={name: value for name, value in values.items() if value is not None})


def _dump():
    db.session.rollback()
    with db.extension.engine.connect() as connection:
        return {
            table.name: connection.execute(sqlalchemy.select(table)).all()
            for table in TABLES.sorted_tables
            if table.name != "bucket"
        }


def _people():
    db.session.rollback()
    return db.session.query(Subscriber).count()


def test_the_answer_is_the_same_bytes_whoever_the_address_belongs_to(client):
    start = clock.now() - timedelta(days=3)
    with time_machine.travel(start):
        for address in ("pending", "confirmed", "left"):
            magazine.ask(f"{address}@readers.example")
            if address != "pending":
                magazine.confirm()
        db.session.query(Subscription).filter(
            Subscription.subscriber_id.in_(
                sqlalchemy.select(Subscriber.id).filter_by(address_key="left@readers.example")
            )
        ).update({"state": "ended"}, synchronize_session=False)
        for reason in SuppressionReason:
            suppression.suppress(f"{reason}@readers.example", reason)
        db.session.commit()
    names = ["new", "pending", "confirmed", "left", *SuppressionReason, "new"]  # the last one past its limit
    answers = [_press(client, email=f"{name}@readers.example") for name in names]
    trapped = _press(client, email=NOBODY, leave_empty="x")
    fast = _press(client, email=NOBODY, form=_token(client, age=timedelta()))
    answers += [trapped, fast]
    assert {(answer.status_code, answer.data, str(answer.headers)) for answer in answers} == {
        (200, answers[0].data, str(answers[0].headers))
    }
    assert "inbox" in answers[0].text
    assert "readers.example" not in answers[0].text


def _ask_for_link(client, *, email, **_):
    return client.post("/preferences", data={"email": email})


@pytest.mark.parametrize(("ask", "apart"), [(_press, 7), (_ask_for_link, 3)])
def test_the_answer_takes_the_same_work_for_a_stranger_a_reader_and_a_complainer(client, ask, apart):
    magazine.ask("reader@readers.example")
    magazine.confirm()
    suppression.suppress("complainer@readers.example", SuppressionReason.COMPLAINT)
    db.session.commit()
    token, engine, work = _token(client), db.extension.engine, {}
    for name in ("first", "complainer"):
        ask(client, email=f"{name}@readers.example", form=token)  # makes the rows that all share
    with time_machine.travel(clock.now() + timedelta(days=1)):
        token = _token(client)
        for name in ("stranger", "reader", "complainer") * 2:
            statements = []
            sqlalchemy.event.listen(
                engine,
                "before_cursor_execute",
                listener := lambda *event: statements.append(event[2]),  # noqa: B023
            )
            ask(client, email=f"{name}@readers.example", form=token)
            sqlalchemy.event.remove(engine, "before_cursor_execute", listener)
            work.setdefault(name, []).append(len(statements))
    assert max(map(max, work.values())) - min(map(min, work.values())) <= apart, work


def test_without_the_tick_the_sentence_stands_beside_the_box_and_what_was_typed_is_kept(client):
    answer = _press(client, terms=None, topics="music", newsletters="weekly")
    assert answer.status_code == 400
    assert 'aria-describedby="signup-terms-problem"' in answer.text
    assert 'value="ana@readers.example"' in answer.text
    assert re.search(r'value="music" checked', answer.text)
    assert re.search(r'value="weekly" checked', answer.text)
    assert not re.search(r'value="daily" checked', answer.text)
    assert _people() == 0
    again = re.search(r'name="form" value="([^"]+)"', answer.text)[1]
    assert "inbox" in _press(client, form=again).text  # at once: the form's age is not begun anew


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"email": "ana@"}, "signup-email-problem"),
        ({"email": None}, "signup-email-problem"),
        ({"topics": "opera"}, "signup-topics-problem"),
        ({"newsletters": "staff"}, "signup-newsletters-problem"),
        ({"subscription": "daily"}, "signup-topics-problem"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(client, fields, problem):
    answer = _press(client, **fields)
    assert (answer.status_code, _people()) == (400, 0)
    assert f'id="{problem}"' in answer.text


def _fields(answer):
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', answer.text))


@pytest.mark.parametrize(
    ("pressed", "typed", "address"),
    [
        ({"meant": "ana@gmail.com"}, "ana@gmial.com", "ana@gmail.com"),
        ({"kept": "yes"}, "ana@gmial.com", "ana@gmial.com"),
        ({}, "ana@gmial.com", "ana@gmial.com"),  # Return, or Subscribe once more
        ({"meant": "ana@gmail.com"}, "ana@readers.example", "ana@readers.example"),  # corrected by hand since
    ],
)
def test_a_mistyped_provider_is_asked_about_once_and_every_answer_works_without_script(client, pressed, typed, address):
    answer = _press(client, email="ana@gmial.com", topics="music")
    assert "Did you mean ana@gmail.com?" in answer.text
    assert (answer.status_code, _people()) == (400, 0)
    assert _press(client, email=typed, topics="music", **{**_fields(answer), **pressed}).status_code == 200
    db.session.rollback()
    assert db.session.query(Subscriber).one().address == address


def test_return_in_a_field_presses_subscribe_and_not_the_suggestion(client):
    answer = _press(client, email="ana@gmial.com")
    form = answer.text.partition("<form")[2]
    assert "name=" not in re.search(r"<button[^>]*>", form)[0]


def test_topics_and_newsletters_are_chosen_beforehand_by_the_address_alone(client):
    for path in ("/", "/subscribe", "/embed"):
        assert not re.search(r'name="topics"[^>]* checked', client.get(path).text)
        assert re.findall(r'name="topics" value="(\w+)" checked', client.get(f"{path}?topic=art").text) == ["art"]
        assert not re.search(r'name="terms"[^>]* checked', client.get(path).text)
    weekly = client.get("/subscribe?newsletter=weekly").text
    assert re.findall(r'name="newsletters" value="(\w+)" checked', weekly) == ["weekly"]


def test_the_first_page_says_what_comes_how_often_and_when_next(client):
    with time_machine.travel("2026-11-25 12:00Z", tick=False):
        page = client.get("/").text
    assert "Every Friday at 17:00 (UTC)" in page
    assert "Next on Friday 27 November 2026" in page
    assert "Staff only" not in page


def test_a_date_that_is_skipped_is_announced_to_nobody_who_confirms(client):
    with time_machine.travel("2026-11-25 12:00Z", tick=False):
        rescheduling.skip(newsletters.get("weekly"), date(2026, 11, 27), actor="ed")
        magazine.ask(newsletters=["weekly"])
        path = f"/confirm/{magazine.newest_token()}"
        for page in (client.get(path), client.post(path)):
            assert "4 December 2026" in page.text
            assert "27 November" not in page.text


def test_a_logo_stands_for_the_name_on_pages_and_in_mails(client, room):
    drawn = io.BytesIO()
    Image.new("RGBA", (400, 80), (0, 0, 0, 0)).save(drawn, "PNG")
    masthead.set_logo(pictures.keep_logo(pictures.encode_logo(drawn.getvalue())))
    db.session.commit()
    page = client.get("/").text
    path = re.search(r'<img class="masthead-logo" src="([^"]+)" alt="The Magazine"', page)[1]
    answer = client.get(path)
    assert (answer.mimetype, Image.open(io.BytesIO(answer.data)).mode) == ("image/png", "RGBA")
    assert looks.of(masthead.current()).logo_url.endswith(path)
    with pytest.raises(errors.BadInput):
        pictures.encode_logo(b"<svg/>")


@pytest.mark.parametrize("form", [None, "", "x.y.z", "old"])
def test_a_form_that_is_not_ours_or_too_old_only_opens_ours_filled_in(client, form):
    token = _token(client, age=timedelta(days=3)) if form == "old" else form
    answer = _press(client, form=token, topics="fashion")
    assert (answer.status_code, _people()) == (200, 0)
    assert 'value="ana@readers.example"' in answer.text
    assert re.search(r'value="fashion" checked', answer.text)
    assert not re.search(r'name="terms"[^>]* checked', answer.text)


def test_the_consent_record_says_what_was_on_the_page_and_which_page(client):
    token = _token(client, "/embed?topic=music")
    legal.publish(LegalKind.TERMS, title="Newer terms", markdown="Newer.")
    db.session.commit()
    answer = client.post("/embed/subscribe", data={"email": "ana@readers.example", "terms": "yes", "form": token})
    assert answer.status_code == 200
    record = consent.proof("ana@readers.example")["records"][0]
    assert (record["terms_version"], record["page"]) == (1, "/embed")
    assert "Newer" not in record["sentence"]


_TEXT = st.text(max_size=60) | st.sampled_from(
    ["daily", "music", "daily:music", "yes", "a@x.example", "\0", "<script>"]
)


@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fields=st.dictionaries(
        st.sampled_from(["email", "newsletters", "topics", "subscription", "terms", "tracking", "as_typed"]),
        st.lists(_TEXT, max_size=3),
    )
)
def test_whatever_is_sent_is_answered_and_nothing_is_half_stored(client, fields):
    before = _people()
    answer = client.post("/subscribe", data={"form": _token(client), **fields})
    assert answer.status_code in (200, 400)
    assert b"<script" not in answer.data
    db.session.rollback()
    people, requested = _people(), db.session.query(ConsentRecord).filter_by(kind="requested").count()
    assert people == requested
    assert people - before in (0, 1)


def test_opening_any_link_any_number_of_times_changes_nothing(client, link):
    magazine.ask("bo@readers.example")
    token = reader_links.token(link)
    paths = [f"/confirm/{magazine.newest_token()}", f"/unsubscribe/{token}", f"/preferences/{token}"]
    before = _dump()
    for path in paths:
        for _ in range(100):
            assert client.get(path).status_code == 200
            assert client.head(path).status_code == 200
        assert client.options(path).status_code == 200
    assert _dump() == before


def test_the_confirmation_page_shows_one_button_and_no_address_and_confirms_by_post_only(client):
    magazine.ask(topics=["music"])
    path = f"/confirm/{magazine.newest_token()}"
    page = client.get(path)
    assert page.text.count("<button") == 1
    assert "an" + "•••@readers.example" not in page.text  # three letters: one is shown
    assert "a•••@readers.example" in page.text
    assert "<script" not in page.text
    assert "You are subscribed" in client.post(path).text
    assert "Already confirmed" in client.post(path).text
    assert "Already confirmed" in client.get(path).text


def test_a_reader_is_asked_to_add_what_comes_on_top_and_told_that_the_rest_stays(client):
    magazine.ask(topics=["music"])
    magazine.confirm()
    with time_machine.travel(clock.now() + timedelta(hours=2)):
        magazine.ask(topics=["fashion"])
        path = f"/confirm/{magazine.newest_token()}"
        opened, pressed = client.get(path).text, client.post(path).text
    assert "Add to your newsletters?" in opened
    assert "What you get now stays as it is." in opened
    assert "Added to your newsletters" in pressed
    assert "What you got before stays" in pressed
    assert "Already confirmed" in client.get(path).text


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_one_click_leaves_at_once_without_cookie_token_or_redirect(client, link, content_type):
    path = f"/unsubscribe/{reader_links.token(link)}"
    for _ in range(2):
        answer = client.post(path, data={"List-Unsubscribe": "One-Click"}, content_type=content_type)
        assert (answer.status_code, answer.mimetype) == (200, "text/plain")
        assert not {"Set-Cookie", "Location"} & set(answer.headers.keys())
        assert len(answer.data) < 100
    states = {f"{each['newsletter']}": each["state"] for each in consent.proof("ana@readers.example")["subscriptions"]}
    assert states == {"daily": "ended", "weekly": "confirmed"}


def test_one_click_works_for_a_reader_no_longer_known(client, link):
    db.session.query(Subscriber).delete()
    db.session.commit()
    path = f"/unsubscribe/{reader_links.token(link)}"
    assert client.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert client.get(path).status_code == 200


def test_the_page_leaves_by_its_button_and_offers_the_rest(client, link):
    token = reader_links.token(link)
    page = client.get(f"/unsubscribe/{token}")
    assert "ana@" not in page.text
    left = client.post(f"/unsubscribe/{token}")
    assert "You have left The Daily" in left.text
    assert f"/preferences/{token}" in left.text
    assert consent.proof("ana@readers.example")["state"] == "confirmed"
    db.session.rollback()
    client.post(f"/unsubscribe/{token}", data={"everything": "yes"})
    assert consent.proof("ana@readers.example")["state"] == "ended"


def test_preferences_are_changed_without_login_and_new_topics_are_consent(client, link):
    path = f"/preferences/{reader_links.token(link)}"
    token = _token(client, path)
    answer = client.post(
        path, data={"form": token, "digest-music": "weekly", "digest-footwear": "daily", "digest-art": ""}
    )
    assert "Saved." in answer.text
    held = {
        f"{each['newsletter']}:{each['topic']}"
        for each in consent.proof("ana@readers.example")["subscriptions"]
        if each["state"] == "confirmed"
    }
    assert held == {"weekly:music", "daily:footwear"}
    for wrong in ({"digest-music": "staff"}, {"subscription": "x"}, {"digest-opera": "daily"}):
        assert client.post(path, data={"form": token, **wrong}).status_code == 400
    assert client.post(path, data={"digest-music": ""}).status_code == 400


def test_sign_up_is_closed_politely_without_texts(app, client, room, monkeypatch):
    monkeypatch.setattr(legal, "is_open", lambda language="en": False)
    for path in ("/", "/subscribe", "/embed"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "not open yet" in answer.text
        assert "<form" not in answer.text


def test_legal_texts_show_every_version_and_never_html(client):
    legal.publish(LegalKind.TERMS, title="Terms", markdown="# New\n<script>alert(1)</script>\n[x](javascript:alert(1))")
    db.session.commit()
    page = client.get("/terms").text
    assert "Version 2" in page
    assert "&lt;script&gt;" in page
    assert 'href="javascript' not in page
    assert "placeholder" in client.get("/terms/1").text
    for path in ("/terms/3", "/terms/99999999999999999999", "/privacy/0"):
        assert client.get(path).status_code == 404


def test_pictures_are_kept_for_good_and_shown_in_mails_of_any_origin(client):
    picture = Picture(created_at=clock.now(), renditions=[])
    picture.renditions.append(Rendition(hash="a" * 64, label="wide", width=1, height=1, content=b"\xff\xd8jpeg"))
    db.session.add(picture)
    db.session.commit()
    answer = client.get("/media/" + "a" * 64)
    assert (answer.data, answer.mimetype) == (b"\xff\xd8jpeg", "image/jpeg")
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get("/media/" + "b" * 64).status_code == 404
    assert client.get("/media/../etc/passwd").status_code == 404


def test_pages_weigh_less_than_50_kb_with_their_styles(client):
    styles = 0
    for path in ("/theme.css", "/static/public.css", "/static/issue.css"):
        with client.get(path) as answer:
            styles += len(answer.data)
    for path in ("/", "/subscribe", "/embed", "/archive", "/terms"):
        assert len(client.get(path).data) + styles < 50_000


def test_an_empty_archive_is_a_page_and_a_feed(client):
    assert "No issue has been sent yet" in client.get("/archive").text
    feed = client.get("/archive/feed.xml")
    assert feed.mimetype == "application/atom+xml"
    assert client.get("/archive/daily/1").status_code == 404
    assert client.get("/archive/staff/1").status_code == 404
