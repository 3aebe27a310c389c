"""The desk's navigation: every page has its place, and nobody is shown what they cannot open."""

from collections import Counter

import pytest

from newsletter.staff import roles
from newsletter.staff.models import Role
from newsletter.web.admin import doors
from newsletter.web.admin.rooms import ROOMS, Room
from tests.web import desk
from tests.web.test_admin_access import LEAST

# Reached before login, or no pages of their own.
BESIDE = {"access", "answers", "rooms", "wording", "pictures", "login", "proving", "setup"}


def _all(rooms: tuple[Room, ...] = ROOMS) -> list[Room]:
    return [found for room in rooms for found in (room, *_all(room.inner))]


def test_every_page_of_the_desk_has_one_place_in_the_navigation(app):
    placed = Counter(name for room in _all() for name in room.blueprints)
    pages = {each.name for each in doors.BLUEPRINTS} - {f"desk_{name}" for name in BESIDE}
    assert set(placed) == pages
    assert set(placed.values()) == {1}


@pytest.mark.parametrize("role", list(Role))
def test_nobody_is_shown_a_place_they_cannot_open(app, client, room, role):
    desk.magazine()
    desk.log_in(client, role)
    rules = {rule.endpoint: rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    for place in _all():
        least = LEAST["GET", rules[place.endpoint]]
        assert least is not None
        may = list(Role).index(role) >= list(Role).index(least)
        assert may == roles.allows(role, place.needs), place.name
        if may:
            page = client.get(rules[place.endpoint]).text
            assert f'href="{rules[place.endpoint]}" aria-current="page">{place.name}</a>' in page


def test_a_page_within_a_place_marks_the_place_and_lists_what_stands_beside_it(client, room):
    desk.magazine()
    desk.log_in(client, Role.ADMIN)
    page = client.get("/admin/newsletters/daily").text
    assert '<a href="/admin/settings" aria-current="true">Settings</a>' in page
    assert '<a href="/admin/newsletters" aria-current="true">Newsletters</a>' in page
    assert ">Audit log</a>" in page
    assert ">Feeds</a>" not in page
