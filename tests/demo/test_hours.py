"""The sample magazine tells a past that is whole whenever it is loaded."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from newsletter import clock, db, invariants
from newsletter.articles.models import Article
from newsletter.demo import loading
from newsletter.issues import composing, lifecycle


@pytest.mark.parametrize(
    "opened_at",
    [
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),  # the night the clocks go forward in its zone
        datetime(2026, 10, 25, 8, 0, tzinfo=UTC),  # the very minute the Weekly is due
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in (
                datetime(2026, 11, 23, 5, 59, tzinfo=UTC),  # a minute before the morning's issue
                datetime(2026, 11, 23, 6, 1, tzinfo=UTC),
                datetime(2028, 2, 29, 23, 59, tzinfo=UTC),
            )
        ),
    ],
)
def test_it_can_be_loaded_at_any_hour(room, texts, opened_at):
    with clock.standing_at(opened_at):
        loading.load()
        weekly, breaking, *sent = lifecycle.latest()
        assert [lifecycle.shown_state(issue) for issue in (weekly, breaking, *sent)] == ["draft", "scheduled"] + [
            "sent"
        ] * 3
        assert breaking.send_at > opened_at
        assert composing.figures(weekly).readers > 150
        assert all(issue.released_at < opened_at for issue in sent)
        assert not db.session.scalars(select(Article).where(Article.published_at > opened_at)).all()
    assert [finding for finding in invariants.check() if finding.offenders] == []
