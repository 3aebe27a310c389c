"""What no database can hold is refused by the desk with a page, never with an error of ours."""

from datetime import timedelta

import pytest

from newsletter import clock
from newsletter.staff.models import Role
from tests.conftest import both_engines
from tests.web import desk
from tests.web.test_admin_access import BEHIND_LOGIN

HUGE = "99999999999999999999"
SEARCHED = {
    "/admin/articles": ("q", "topic"),
    "/admin/readers": ("q",),
    "/admin/audit": ("who", "what", "words"),
    "/admin/audit.csv": ("words",),
    "/admin/suppressions": ("q",),
    "/admin/issues": ("newsletter",),
}
ODD_DAYS = ("9999-12-31", "0001-01-01", "2026-02-30", "tomorrow", "")


@pytest.fixture
def csrf(client, app, room):
    app.testing = False
    desk.magazine()
    return desk.log_in(client, Role.ADMIN)


@both_engines
def test_numbers_beyond_any_id_and_texts_with_nul_are_refused(client, csrf):
    for method, rule in BEHIND_LOGIN:
        if "<int:" in rule:
            path = "/".join(HUGE if part.startswith("<int:") else part for part in rule.split("/"))
            assert client.open(path, method=method, data={"csrf": csrf}).status_code == 400, path
    for path, names in SEARCHED.items():
        assert client.get(f"{path}?before={HUGE}&after={HUGE}").status_code == 400, path
        for name in names:
            assert client.get(f"{path}?{name}=a%00b").status_code == 400, (path, name)
            assert client.get(f"{path}?{name}=%FF%25_'%22\\").status_code in (200, 404), (path, name)
    form = {"csrf": csrf, "email": "a@readers.example", "note": "a\0b"}
    assert client.post("/admin/suppressions", data=form).status_code == 400
    assert client.get("/admin/calendar/%00/2026-12-02").status_code in (400, 404)


@both_engines
def test_dates_at_the_ends_of_time_are_no_dates(client, csrf):
    day = (clock.now() + timedelta(days=9)).date().isoformat()
    for odd in ODD_DAYS:
        form = {"csrf": csrf, "on": odd, "at": "00:00"}
        assert client.post("/admin/calendar/holidays", data=form).status_code == 422, odd
        assert client.post(f"/admin/calendar/daily/{day}/time", data=form).status_code == 422, odd
        if odd:
            assert client.get(f"/admin/calendar/daily/{odd}").status_code == 404, odd
            assert client.post(f"/admin/calendar/daily/{odd}/skip", data=form).status_code == 404, odd
