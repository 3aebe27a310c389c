"""Tokens in links: whatever is not the very token that was mailed opens no door and changes nothing."""

import dataclasses
import re
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import quote

import pytest
import sqlalchemy
import time_machine

from newsletter import clock, db, settings, signing
from newsletter.audience import asking, fresh_links, reader_links
from newsletter.audience.models import LinkKind, LinkRequest, Subscriber, TermsAsk
from newsletter.audience.reader_links import ReaderLink
from newsletter.models import TABLES
from newsletter.publication import newsletters
from newsletter.staff import editors
from newsletter.staff.roles import Role
from newsletter.web.admin import forgery
from tests.audience import magazine

ALWAYS = 200


@dataclass(frozen=True)
class Door:
    """A route with a token: whose token it takes, what a press sends, and its answer once the link is too old."""

    purpose: str
    late: int
    sends: dict[str, str] = field(default_factory=dict)


# Every route with a token; a new one is thought about here first.
DOORS = {
    "/confirm/<token>": Door("confirm", 410),
    "/confirm/<token>/again": Door("confirm", ALWAYS),  # the way on from a link that is too old
    "/unsubscribe/<token>": Door("reader", ALWAYS, {"List-Unsubscribe": "One-Click"}),
    "/preferences/<token>": Door("reader", ALWAYS, {"digest-footwear": "daily"}),
    "/preferences/<token>/link": Door("reader", ALWAYS),
    "/preferences/private/<token>": Door("link-private", 404),
    "/preferences/private/<token>/data.json": Door("link-private", 404),
    "/preferences/private/<token>/address": Door("link-private", 404, {"email": "new@readers.example"}),
    "/preferences/private/<token>/erasure": Door("link-private", 404),
    "/preferences/address/<token>": Door("link-move", 404),
    "/agree/<token>": Door("terms", ALWAYS),
    "/admin/setup/<token>": Door("setup", 404, {"password": "a long password of nobody else"}),
}


@pytest.fixture
def good(room):
    """A token of every purpose that works: a confirmed reader's, a pending one's, an invited editor's."""
    often = timedelta(microseconds=1)
    settings.use(dataclasses.replace(settings.current(), confirmation_interval=often, link_interval=often))
    magazine.found()
    magazine.ask("ana@readers.example")
    magazine.confirm()
    by = clock.now() + timedelta(days=30)
    document = asking.publish(title="Terms", markdown="New.", language="en", ask_by_at=by, readers=1)
    db.session.commit()
    while asking.ask_page():
        db.session.commit()
    magazine.ask("bo@readers.example")
    reader = db.session.query(Subscriber).filter_by(address_key="ana@readers.example").one()
    for kind in LinkKind:
        fresh_links.mail(kind, reader, "other@readers.example")
    _, setup = editors.add("ed@magazine.example", Role.EDITOR)
    assert db.session.query(TermsAsk).count() == 1
    found = {f"link-{link.kind}": fresh_links.token(link) for link in db.session.query(LinkRequest)}
    found |= {
        "confirm": magazine.newest_token(),
        "reader": reader_links.token(ReaderLink(reader.id, newsletters.get("daily").id)),
        "terms": asking.token(document.id, reader.id),
        "setup": setup,
        "csrf-anonymous": forgery.anonymous_token(),
        "csrf": forgery.token(1),
    }
    db.session.commit()
    return found


@pytest.fixture
def doors(app, client, good):
    """Every (rule, method) with a token, and the pressing of it."""
    good["form"] = _stamp(client, good)

    def press(rule, method, token):
        sent = {**DOORS[rule].sends, "form": good["form"], "csrf": good["csrf-anonymous"]} if method == "POST" else None
        return client.open(rule.replace("<token>", quote(token, safe="")), method=method, data=sent)

    return press


def _stamp(client, good):
    with time_machine.travel(clock.now() - timedelta(minutes=1)):
        return re.search(r'name="form" value="([^"]+)"', client.get(f"/preferences/{good['reader']}").text)[1]


def _doors(app):
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if "<token>" in rule.rule:
            assert rule.rule in DOORS, f"{rule.rule} takes a token and stands in no table"
            yield from ((rule.rule, method) for method in sorted(rule.methods & {"GET", "POST"}))


def _dump():
    db.session.rollback()
    with db.extension.engine.connect() as connection:
        return {table.name: connection.execute(sqlalchemy.select(table)).all() for table in TABLES.sorted_tables}


def _flipped(token):
    """The token with each of its bits flipped, one at a time; those a path does not carry as one part left out."""
    for place, character in enumerate(token):
        for bit in range(8):
            changed = chr(ord(character) ^ (1 << bit))
            if changed != "/":
                yield token[:place] + changed + token[place + 1 :]


def _resized(token):
    yield from (token[:-1], token[1:], token[: len(token) // 2], token + "A", token + "=", token + " ", "A" + token)
    yield from (token.swapcase(), token + "." + token, token[:20] + "!" + token[20:], token[:-1] + "\n" + token[-1])
    yield from token.split(".") if "." in token else ()


def _refused(answer):
    """The one clear page; a reader's or an editor's."""
    said = ("This link does not work" in answer.text) or ("one-time link" in answer.text)
    return answer.status_code == 404 and said


@pytest.mark.parametrize("purpose", sorted({door.purpose for door in DOORS.values()}))
def test_a_token_with_any_bit_flipped_cut_or_lengthened_is_refused_everywhere(app, doors, good, purpose):
    token, before, pages = good[purpose], _dump(), {}
    changed = [*_flipped(token), *_resized(token)]
    presses = [each for each in _doors(app) if DOORS[each[0]].purpose == purpose]
    # Every bit is tried at some door, and each door is tried with bits from all over the token.
    for number, wrong in enumerate(changed):
        rule, method = presses[number % len(presses)]
        answer = doors(rule, method, wrong)
        assert _refused(answer), (rule, method, wrong)
        pages.setdefault((rule, method), set()).add(answer.data)
    assert {len(found) for found in pages.values()} == {1}
    assert _dump() == before


def test_a_token_of_another_purpose_opens_no_door(app, doors, good):
    before = _dump()
    ids = [1, [1], [1, 1], {"id": 1}, "1", None]
    forged = [signing.sign(purpose, payload) for purpose in ("", "limit", "link-", "session") for payload in ids]
    for rule, method in _doors(app):
        for purpose, token in [*good.items(), *(("", token) for token in forged)]:
            if purpose != DOORS[rule].purpose:
                assert _refused(doors(rule, method, token)), (rule, method, purpose)
    assert _dump() == before


def test_what_is_signed_for_a_door_but_is_no_number_of_ours_is_refused(app, doors):
    before = _dump()
    for rule, method in _doors(app):
        purpose = DOORS[rule].purpose
        for payload in (10**9, [1], {"id": 1}, "1", None):
            made = [signing.sign(purpose, payload), signing.sign_dated(purpose, payload)]
            for token in [*made, signing.sign_numbers(purpose, (1,)), signing.sign_numbers(purpose, (1, 1, 1))]:
                assert _refused(doors(rule, method, token)), (rule, method, payload)
    assert _dump() == before


def test_a_link_that_is_too_old_is_refused_where_links_grow_old(app, client, doors, good):
    for rule, method in _doors(app):
        door, before = DOORS[rule], _dump()
        with time_machine.travel(clock.now() + timedelta(days=20), tick=False):
            good |= {"csrf-anonymous": forgery.anonymous_token(), "form": _stamp(client, good)}
            answer = doors(rule, method, good[door.purpose])
        assert answer.status_code == door.late, (rule, method)
        if door.late != ALWAYS:
            assert _dump() == before


def test_each_door_opens_to_its_own_token_and_acts_by_a_press_only(app, doors, good):
    # A link is asked for again before it is used, and the erasure, which ends what others need, stands last.
    for rule, method in sorted(
        _doors(app), key=lambda each: (each[0].endswith("erasure"), "again" not in each[0], each)
    ):
        before = _dump()
        answer = doors(rule, method, good[DOORS[rule].purpose])
        assert answer.status_code in (200, 303), (rule, method)
        assert (_dump() != before) == (method == "POST"), (rule, method)
