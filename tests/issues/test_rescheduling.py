"""An editor's hand on the calendar: skipped, brought back, moved, and in the log."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from newsletter import clock, db, errors
from newsletter.issues import composing, dates, lifecycle, occurrences, rescheduling
from newsletter.publication.models import Approval
from newsletter.staff import audit
from tests.conftest import both_engines
from tests.issues.world import NOON, article, magazine, newsletter

pytestmark = both_engines
TUESDAY, WEDNESDAY, THURSDAY = (date(2026, 11, day) for day in (24, 25, 26))


@pytest.fixture
def daily(room, time):
    magazine()
    made = newsletter(at="07:00", zone="Europe/Berlin")
    article("music")
    db.session.commit()
    return made


def _states(made) -> dict[date, str]:
    return {each.on: each.state for each in dates.coming([made], clock.now(), ahead=timedelta(days=4))}


def _wall(day: date, at: str) -> datetime:
    return rescheduling.wall_time(day.isoformat(), at)


def test_a_date_is_skipped_and_brought_back_and_both_are_in_the_log(daily):
    rescheduling.skip(daily, TUESDAY, note="A quiet day", actor="ed")
    rescheduling.skip(daily, TUESDAY, actor="ed")
    skipped = dates.get(daily, TUESDAY)
    assert (skipped.state, skipped.note, skipped.appears) == ("skipped", "A quiet day", False)
    assert dates.next_appearance(daily, clock.now()) == datetime(2026, 11, 25, 6, tzinfo=UTC)
    rescheduling.bring_back(daily, TUESDAY, actor="ed")
    assert dates.get(daily, TUESDAY).state == "planned"
    with pytest.raises(errors.Conflict, match="not skipped"):
        rescheduling.bring_back(daily, TUESDAY, actor="ed")
    back, out = audit.of("newsletter daily")
    assert (back.action, back.before["state"], back.after["state"]) == ("date brought back", "skipped", "planned")
    assert (out.action, out.before["state"], out.after["note"]) == ("date skipped", "planned", "A quiet day")


def test_a_holiday_is_taken_out_of_all_newsletters_or_of_none_and_brought_back(daily):
    weekly = newsletter("weekly", at="08:00", days=("wed",), approval=Approval.ONE)
    composing.compose(weekly)
    evening = NOON + timedelta(days=1, hours=8)
    occurrences.open_due(evening)
    with time_machine.travel(evening, tick=False):
        (waiting,) = [each for each in occurrences.waiting(clock.now()) if each.newsletter_id == weekly.id]
        composing.open_issue(weekly).occurrence = waiting
        db.session.flush()
        with pytest.raises(errors.Conflict, match="The Weekly: Its issue is open already"):
            rescheduling.add_holiday([daily, weekly], WEDNESDAY, actor="ed")
        db.session.rollback()
    rescheduling.add_holiday([daily, weekly], THURSDAY, actor="ed")
    rescheduling.add_holiday([daily, weekly], THURSDAY, actor="ed")
    assert _states(daily)[THURSDAY] == "holiday"
    assert dates.holidays([daily, weekly], TUESDAY) == {THURSDAY: [daily, weekly]}
    rescheduling.bring_back(daily, THURSDAY, actor="ed")
    assert (_states(daily)[THURSDAY], dates.holidays([daily], TUESDAY)) == ("planned", {})
    with pytest.raises(errors.BadInput, match="past"):
        rescheduling.add_holiday([daily], NOON.date() - timedelta(days=1), actor="ed")


def test_a_date_moves_on_the_clock_of_its_zone_and_back(daily):
    assert rescheduling.move(daily, WEDNESDAY, _wall(TUESDAY, "18:30"), actor="ed")[1] == ""
    moved = dates.get(daily, WEDNESDAY)
    assert (moved.at, moved.is_moved, moved.state) == (datetime(2026, 11, 24, 17, 30, tzinfo=UTC), True, "planned")
    assert dates.next_appearance(daily, datetime(2026, 11, 24, 7, tzinfo=UTC)) == moved.at
    rescheduling.skip(daily, WEDNESDAY, actor="ed")
    with pytest.raises(errors.Conflict, match="Bring it back first"):
        rescheduling.move(daily, WEDNESDAY, _wall(WEDNESDAY, "09:00"), actor="ed")
    rescheduling.bring_back(daily, WEDNESDAY, actor="ed")
    rescheduling.move(daily, WEDNESDAY, _wall(WEDNESDAY, "09:00"), actor="ed")
    rescheduling.move(daily, WEDNESDAY, _wall(WEDNESDAY, "07:00"), actor="ed")
    assert not dates.get(daily, WEDNESDAY).is_moved
    last, before_it = audit.of("newsletter daily")[:2]
    assert (last.before["at"], last.after["at"]) == ("2026-11-25 09:00", "2026-11-25 07:00")
    assert before_it.after == {"date": "2026-11-25", "state": "planned", "at": "2026-11-25 09:00"}


@pytest.mark.parametrize(
    ("day", "at", "said"),
    [
        (WEDNESDAY - timedelta(days=3), "07:00", "This time is past"),
        (TUESDAY, "07:00", "It has to go after the one of 2026-11-24 07:00"),
        (TUESDAY, "06:00", "It has to go after the one of 2026-11-24 07:00"),
        (THURSDAY, "07:30", "It has to go before the one of 2026-11-26 07:00"),
        (THURSDAY + timedelta(days=40), "07:30", "It has to go before the one of 2026-11-26 07:00"),
        (date(2999, 12, 31), "07:30", "more than eight weeks after its time"),
    ],
)
def test_a_moved_date_stays_ahead_and_between_its_neighbours(daily, day, at, said):
    with pytest.raises(errors.BadInput, match=said):
        rescheduling.move(daily, WEDNESDAY, _wall(day, at), actor="ed")
    assert _states(daily)[WEDNESDAY] == "planned"
    rescheduling.skip(daily, THURSDAY, actor="ed")
    rescheduling.move(daily, WEDNESDAY, _wall(THURSDAY, "07:30"), actor="ed")
    assert dates.get(daily, WEDNESDAY).is_moved


@pytest.mark.parametrize("approved", [False, True])
def test_an_open_issue_moves_with_its_date_and_is_cancelled_rather_than_skipped(daily, approved):
    daily.approval = Approval.ONE
    occurrences.open_due(NOON + timedelta(hours=9))
    (occurrence,) = occurrences.waiting(NOON + timedelta(hours=9))
    issue = composing.compose(daily)
    issue.occurrence, issue.send_at = occurrence, occurrence.due_at
    if approved:
        lifecycle.approve(issue, actor="ed")
    seen = issue.version
    rescheduling.move(daily, TUESDAY, _wall(TUESDAY, "09:00"), actor="ed")
    assert issue.send_at == dates.get(daily, TUESDAY).at == datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert issue.version > seen, "who looked before is told"
    with pytest.raises(errors.Conflict, match="Cancel or move that one"):
        rescheduling.skip(daily, TUESDAY, actor="ed")
    lifecycle.cancel(issue, actor="ed")
    assert dates.get(daily, TUESDAY).state == "skipped"
    rescheduling.bring_back(daily, TUESDAY, actor="ed")
    assert (dates.get(daily, TUESDAY).state, issue.occurrence_id) == ("planned", None)


def test_the_clocks_are_spoken_of_where_they_move_a_date(room, time):
    magazine()
    night = newsletter("night", at="02:30", zone="Europe/Berlin")
    time.move_to(datetime(2027, 3, 20, tzinfo=UTC))
    words = {each.on: each.about_clocks for each in dates.coming([night], clock.now()) if each.about_clocks}
    assert words == {date(2027, 3, 28): "02:30 does not exist on 28 March; goes at 03:00."}
    day = date(2027, 3, 29)
    _, word = rescheduling.move(night, day, _wall(date(2027, 3, 28), "23:00"), actor="ed")
    assert word == ""
    time.move_to(datetime(2027, 10, 29, tzinfo=UTC))
    goes_at, word = rescheduling.move(night, date(2027, 10, 31), _wall(date(2027, 10, 31), "02:15"), actor="ed")
    assert word == dates.get(night, date(2027, 10, 31)).about_clocks
    assert (word, goes_at) == (
        "02:15 comes twice on 31 October; goes at the first.",
        datetime(2027, 10, 31, 0, 15, tzinfo=UTC),
    )


def test_what_is_past_or_never_was_cannot_be_changed(daily):
    for act in (rescheduling.skip, rescheduling.bring_back):
        with pytest.raises(errors.Conflict, match="past"):
            act(daily, NOON.date(), actor="ed")
    with pytest.raises(errors.NotFound):
        rescheduling.skip(newsletter("hand"), TUESDAY, actor="ed")
