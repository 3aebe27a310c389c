"""Coming in: the one-time link, the login, its limits."""

import re

import pytest
from sqlalchemy import func, select

from newsletter import db, settings, signing
from newsletter.staff import editors
from newsletter.staff.models import AuditEntry, EditorSession, Role

GOOD = "a quiet river in autumn"


@pytest.fixture
def token(room) -> str:
    token = editors.add("ed@magazine.example", Role.EDITOR)[1]
    db.session.commit()
    return token


def _csrf(client, path):
    return re.search(r'name="csrf" value="([^"]+)"', client.get(path).text).group(1)


def test_the_link_takes_a_password_once_and_opens_the_desk(client, token):
    path = f"/admin/setup/{token}"
    page = client.get(path)
    assert page.status_code == 200
    assert "ed@magazine.example" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    csrf = _csrf(client, path)
    refused = client.post(path, data={"csrf": csrf, "password": "short"})
    assert refused.status_code == 422
    assert "at least 12 characters" in refused.text
    done = client.post(path, data={"csrf": csrf, "password": GOOD})
    assert (done.status_code, done.location) == (303, "/admin")
    assert client.get("/admin").status_code == 200
    again = client.post(path, data={"csrf": csrf, "password": GOOD + "!"})
    assert again.status_code == 404
    assert "has been used" in again.text
    assert db.session.scalars(select(AuditEntry.action)).all() == ["password_set"]
    db.session.rollback()


def test_a_link_that_is_not_ours_says_so(client, room):
    answer = client.get("/admin/setup/nonsense")
    assert answer.status_code == 404
    assert "not ours" in answer.text


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, None])
def test_forms_before_login_must_be_ours_too(client, token, headers):
    form = {"csrf": signing.sign_dated("csrf-anonymous", "") if headers else "x", "password": GOOD}
    for path in (f"/admin/setup/{token}", "/admin/login"):
        answer = client.post(path, data=form | {"address": "ed@magazine.example"}, headers=headers)
        assert answer.status_code == 403
    assert editors.open_setup(token)
    assert db.session.scalar(select(func.count()).select_from(EditorSession)) == 0
    db.session.rollback()


def test_a_wrong_password_and_an_unknown_address_look_the_same_and_what_was_typed_stays(client, token):
    editors.set_password(token, GOOD)
    db.session.commit()
    csrf = _csrf(client, "/admin/login")
    pages = []
    for address in ("ed@magazine.example", "xy@magazine.example"):
        answer = client.post("/admin/login", data={"csrf": csrf, "address": address, "password": "wrong"})
        assert answer.status_code == 422
        assert f'value="{address}"' in answer.text
        assert "wrong" not in re.sub(r"password is wrong|wrong\"", "", answer.text)
        pages.append(re.sub(r'name="csrf" value="[^"]+"', "", answer.text).replace(address, ""))
    assert pages[0] == pages[1]


def test_after_too_many_tries_the_login_waits(client, token):
    csrf = _csrf(client, "/admin/login")
    form = {"csrf": csrf, "address": "ed@magazine.example", "password": "wrong"}
    for _ in range(settings.current().login_attempts):
        assert client.post("/admin/login", data=form).status_code == 422
    answer = client.post("/admin/login", data=form)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "wait" in answer.text


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/admin/issues/3?figures=yes", "/admin/issues/3?figures=yes"),
        ("/admin", "/admin"),
        ("//evil.example/admin", "/admin"),
        ("https://evil.example/admin/", "/admin"),
        ("/\\evil.example", "/admin"),
        ("/admin/\\..\\x", "/admin"),
        ("https:evil.example", "/admin"),
        ("javascript:alert(1)", "/admin"),
        ("/admin/x\r\nSet-Cookie: a=b", "/admin"),
        ("/elsewhere", "/admin"),
        ("/administrator", "/admin"),
        ("", "/admin"),
    ],
)
def test_the_login_leads_to_a_page_of_the_desk_only(client, token, wanted, reached):
    editors.set_password(token, GOOD)
    db.session.commit()
    form = {"csrf": _csrf(client, "/admin/login"), "address": "ed@magazine.example", "password": GOOD, "next": wanted}
    answer = client.post("/admin/login", data=form)
    assert (answer.status_code, answer.location) == (303, reached)


def test_the_page_one_wanted_is_kept_through_the_login(client, room):
    answer = client.get("/admin/issues?state=draft")
    page = client.get(answer.location)
    assert 'name="next" value="/admin/issues?state=draft"' in page.text
