"""Planning: one message for each reader with something new, never an article twice, whatever happens meanwhile."""

import dataclasses
import random
import threading
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import event, func, select, update

from newsletter import db, errors, invariants, milestones, settings
from newsletter.audience.models import Subscriber, Subscription, SubscriptionState
from newsletter.issues import composing, editions, freezing, lifecycle, planning, progress, received, runs
from newsletter.issues.models import Edition, EditionPart, Issue, IssueState
from newsletter.outbox import queue, suppression
from newsletter.outbox.models import Message, MessageState, RunState, SuppressionReason
from newsletter.publication.models import Newsletter, NewsletterKind
from tests.conftest import both_engines
from tests.issues import world
from tests.issues.world import NOON, article, magazine, newsletter, reader, subscribe

pytestmark = both_engines


@pytest.fixture(autouse=True)
def _magazine(room, time, configured):
    magazine()
    # Pages of three: every test walks several.
    settings.use(dataclasses.replace(configured, planning_page=3))


@pytest.fixture
def rendered(monkeypatch) -> Counter:
    """How often each edition was rendered, by the key of its selection."""
    counted, render = Counter(), editions.render

    def counting(content, selection, *, dated_at):
        counted[selection.key] += 1
        return render(content, selection, dated_at=dated_at)

    monkeypatch.setattr(editions, "render", counting)
    return counted


def approved(*newsletters: Newsletter) -> list[int]:
    """The ids of newly composed issues, approved and due."""
    made = [composing.compose(each) for each in newsletters]
    for issue in made:
        lifecycle.approve(issue, actor="ed")
        lifecycle.send_now(issue, actor="ed")
    db.session.commit()
    ids = [issue.id for issue in made]
    db.session.rollback()
    return ids


def released(*newsletters: Newsletter) -> list[int]:
    ids = approved(*newsletters)
    for issue_id in ids:
        planning.release(issue_id)
    return ids


def together(app, *acts) -> list[Exception]:
    """Run each act in a thread of its own, all from one barrier; what they raised."""
    barrier, raised = threading.Barrier(len(acts)), []

    def run(act):
        with app.app_context():
            barrier.wait()
            try:
                act()
            except Exception as error:
                raised.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def had() -> Counter:
    """How often each (reader, article) stands in a digest that may have reached the reader."""
    found = Counter()
    for issue in db.session.scalars(select(Issue)):
        if issue.newsletter.kind is NewsletterKind.DIGEST and (run := runs.find(issue)):
            gone = set(
                db.session.scalars(
                    select(Message.recipient_id).where(Message.run_id == run.id, Message.state.in_(received.NOT_HAD))
                )
            )
            for part in EditionPart:
                for reader_id, article_ids in world.brought(issue.id, part).items():
                    found.update((reader_id, each) for each in article_ids if reader_id not in gone)
    return found


def assert_once() -> None:
    assert [pair for pair, count in had().items() if count > 1] == []
    broken = {finding.rule.name: finding.offenders for finding in invariants.check() if finding.offenders}
    broken.pop("I13", None)  # these readers have no consent on record
    broken.pop("due", None)  # the check asks the database what time it is, and the tests' clock stands elsewhere
    assert broken == {}


def test_each_reader_gets_one_message_with_exactly_the_topics_they_take():
    daily = newsletter(carries=("music", "art", "design"))
    music, art, _ = article("music"), article("art"), article("design")
    both = article("art", "music")
    readers = [
        reader("music", of=daily),
        reader("art", of=daily),
        reader("music", "art", of=daily),
        reader("gaming", of=daily),
    ]
    (issue_id,) = released(daily)
    assert world.brought(issue_id) == {
        readers[0].id: {music.id, both.id},
        readers[1].id: {art.id, both.id},
        readers[2].id: {music.id, art.id, both.id},
    }
    issue = db.session.get(Issue, issue_id)
    assert (issue.state, runs.find(issue).state, issue.left_out) == (
        IssueState.RELEASED,
        RunState.RUNNING,
        {"nothing_new": 1},
    )
    assert_once()


def test_people_who_get_nothing_have_no_row_and_are_counted_by_reason():
    daily = newsletter()
    article("music")
    reader("music", of=daily)
    reader("art", of=daily)
    reader("music", of=daily, paused_until=NOON + timedelta(days=1))
    reader("music", of=daily, state=SubscriptionState.PENDING)
    reader("music", of=daily, state=SubscriptionState.ENDED)
    suppression.suppress(reader("music", of=daily).address, SuppressionReason.HARD_BOUNCE)
    (issue_id,) = released(daily)
    status = progress.status(db.session.get(Issue, issue_id))
    assert (status["planned"], status["queued"], status["state"]) == (1, 1, "sending")
    assert status["left_out"] == {"nothing_new": 1, "paused": 1, "suppressed": 1, "unconfirmed": 1}


def test_an_edition_is_rendered_once_for_all_who_share_it(rendered):
    daily = newsletter(carries=("music", "art", "design"))
    for topics in (["music"], ["art"], ["music", "art"], ["art", "design"]):
        article(*topics)
        for _ in range(5):
            reader(*topics, of=daily)
    (issue_id,) = approved(daily)
    rendered.clear()  # what preflight looked at
    planning.release(issue_id)
    stored = db.session.scalars(select(Edition).filter_by(issue_id=issue_id)).all()
    assert rendered == {edition.key: 1 for edition in stored}
    assert sum(edition.readers for edition in stored) == 20
    # Nothing is in design alone: who takes it beside art gets the same as who takes art.
    assert len(stored) == 3


def test_what_was_had_is_not_brought_again_unless_it_never_arrived():
    daily, other = newsletter(), newsletter("other")
    first = article("music")
    readers = [reader("music", of=daily) for _ in received.NOT_HAD] + [reader("music", of=daily)]
    for each in readers:
        subscribe(each, "music", to=other)
    (issue_id,) = released(daily)
    run = runs.find(db.session.get(Issue, issue_id))
    for each, state in zip(readers, received.NOT_HAD, strict=False):
        db.session.execute(
            update(Message).where(Message.run_id == run.id, Message.recipient_id == each.id).values(state=state)
        )
    (again,) = released(other)
    assert world.brought(again) == {each.id: {first.id} for each in readers[:-1]}


def test_a_selection_may_bring_again_what_a_digest_brought():
    daily = newsletter()
    weekly = newsletter("weekly", kind=NewsletterKind.SELECTION)
    story, one = article("music"), reader("music", of=daily)
    subscribe(one, "music", to=weekly)
    released(daily)
    (best,) = released(weekly)
    assert world.brought(best) == {one.id: {story.id}}
    (nothing,) = released(daily)
    assert world.brought(nothing) == {}


def test_what_stood_under_read_next_does_not_stand_there_again():
    daily = newsletter(carries=("music", "art"))
    article("music"), article("art")
    one = reader("music", of=daily)
    (first,) = released(daily)
    shown = world.brought(first, EditionPart.READ_NEXT)[one.id]
    article("music")
    (second,) = released(daily)
    assert shown
    assert world.brought(second, EditionPart.READ_NEXT)[one.id] == set()


def test_nothing_leaves_before_all_is_planned_and_planning_goes_on_where_it_stopped(monkeypatch, rendered):
    daily = newsletter()
    article("music")
    readers = [reader("music", of=daily) for _ in range(8)]
    (issue_id,), pages = approved(daily), []

    def dying(run, query, add=queue.add_from):
        pages.append(add(run, query))
        if len(pages) == 3:
            raise RuntimeError("power cut")
        return pages[-1]

    monkeypatch.setattr(queue, "add_from", dying)
    with pytest.raises(RuntimeError):
        planning.release(issue_id)
    db.session.rollback()
    issue = db.session.get(Issue, issue_id)
    assert (lifecycle.shown_state(issue), runs.find(issue).state) == ("scheduled", RunState.PLANNING)
    planning.release(issue_id)
    planning.release(issue_id)
    assert world.brought(issue_id).keys() == {each.id for each in readers}
    assert pages == [3, 3, 2, 2]
    assert_once()


def test_an_issue_planned_ahead_takes_in_who_came_since():
    daily = newsletter()
    article("music")
    early = reader("music", of=daily)
    (issue_id,) = approved(daily)
    planning.plan(issue_id)
    assert lifecycle.shown_state(db.session.get(Issue, issue_id)) == "scheduled"
    late = reader("music", of=daily)
    db.session.commit()
    planning.release(issue_id)
    assert world.brought(issue_id).keys() == {early.id, late.id}


def test_an_issue_nobody_is_to_get_is_released_without_messages():
    article("music")
    (issue_id,) = released(newsletter())
    assert progress.status(db.session.get(Issue, issue_id))["planned"] == 0


def test_only_an_approved_issue_is_planned():
    issue = composing.compose(newsletter())
    db.session.commit()
    with pytest.raises(errors.Conflict):
        planning.release(issue.id)
    with pytest.raises(errors.NotFound):
        planning.release(999)


def test_several_planners_of_one_issue_make_one_plan(app):
    daily = newsletter()
    article("music"), article("art")
    for number in range(40):
        reader(*(["music"], ["art"], ["music", "art"])[number % 3], of=daily)
    (issue_id,) = approved(daily)
    assert together(app, *[lambda: planning.release(issue_id)] * 3) == []
    assert len(world.brought(issue_id)) == 40
    assert_once()


def test_two_newsletters_planned_at_once_bring_nobody_the_same_article(app):
    pair = newsletter(), newsletter("other")
    article("music"), article("music"), article("art")
    readers = [reader("music", "art", of=pair[0]) for _ in range(40)]
    for each in readers:
        subscribe(each, "music", "art", to=pair[1])
    ids = approved(*pair)
    assert together(app, *[lambda each=each: planning.release(each) for each in ids]) == []
    got = [world.brought(issue_id) for issue_id in ids]
    assert len(got[0]) + len(got[1]) == 40
    assert_once()


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_nobody_gets_an_article_twice_and_everybody_gets_what_is_new(app, time, monkeypatch, seed):
    story = Story(app, time, monkeypatch, random.Random(seed))
    for _ in range(14):
        story.go_on()
    assert_once()


class PowerCut(Exception):
    """What ends a planner's process."""


class Story:
    """A magazine's life by dice: articles and readers come and go, issues are planned, die and are planned again."""

    topics = ("music", "art", "design", "gaming")

    def __init__(self, app, time, monkeypatch, dice):
        self.app, self.time, self.monkeypatch, self.dice = app, time, monkeypatch, dice
        # Everything fits, so that the slow way below needs no rule about overflow.
        settings.use(dataclasses.replace(settings.current(), section_size=1000, mail_size=1000))
        self.papers = [newsletter(carries=("music", "art", "design")), newsletter("other", carries=("design", "music"))]
        for _ in range(6):
            self.arrivals()
            self.readers()

    def go_on(self):
        steps = (
            self.arrivals,
            self.readers,
            self.pauses,
            self.leaves,
            self.outcomes,
            self.issue,
            self.issue,
            self.both,
        )
        self.dice.choice(steps)()
        self.time.shift(timedelta(hours=self.dice.randint(1, 9)))

    def some(self, things, least=1):
        return self.dice.sample(things, self.dice.randint(least, len(things)))

    def arrivals(self):
        now = world.datetime.now(world.UTC)
        for _ in range(self.dice.randint(1, 3)):
            article(*self.some(self.topics)[:2], ready_at=now, hypes=self.dice.randint(0, 9))

    def readers(self):
        for _ in range(self.dice.randint(1, 3)):
            papers = self.some(self.papers)
            one = reader(*self.some(self.topics), of=papers[0])
            for paper in papers[1:]:
                subscribe(one, *self.some(self.topics), to=paper)

    def pauses(self):
        now = world.datetime.now(world.UTC)
        for each in self.some(db.session.scalars(select(Subscriber)).all())[:2]:
            each.paused_until = now + timedelta(hours=self.dice.randint(-5, 20))

    def leaves(self):
        one = self.dice.choice(db.session.scalars(select(Subscription)).all())
        one.state = self.dice.choice((SubscriptionState.ENDED, SubscriptionState.CONFIRMED))
        queue.cancel_for(one.subscriber_id)

    def outcomes(self):
        for each in db.session.scalars(select(Message).where(Message.state == "queued")).all():
            states = [MessageState.SENT] * 4 + [MessageState.UNCERTAIN, MessageState.BOUNCED, MessageState.QUEUED]
            each.state = self.dice.choice(states)
            each.settled_at = None if each.state is MessageState.QUEUED else NOON

    def issue(self):
        paper = self.dice.choice(self.papers)
        before, (issue_id,) = had(), self._approved(paper)
        if not issue_id:
            return
        if self.dice.random() < 0.5:
            self._die_in(issue_id)
        planning.release(issue_id)
        self._check(issue_id, before)

    def both(self):
        ids = [each for each in self._approved(*self.papers) if each]
        raised = together(self.app, *[lambda each=each: planning.release(each) for each in ids]) if ids else []
        assert raised == []
        assert_once()

    def _approved(self, *papers):
        """Issue ids; 0 for a newsletter without stories."""
        ids = []
        for paper in papers:
            issue = composing.compose(paper)
            if issue.stories:
                lifecycle.approve(issue, actor="ed")
                lifecycle.send_now(issue, actor="ed")
            ids.append(issue.id if issue.stories else 0)
        db.session.commit()
        return ids

    def _die_in(self, issue_id):
        """A planner dies at a milestone, or in the middle of a page."""
        left = [self.dice.randint(1, 4)]

        def dying(name, *_):
            left[0] -= 1
            if not left[0]:
                raise PowerCut(name)

        def add(run, query, add=queue.add_from):
            added = add(run, query)
            dying("page")
            return added

        with self.monkeypatch.context() as patch:
            patch.setattr(queue, "add_from", add)
            patch.setattr(milestones, "hook", dying)
            try:
                planning.release(issue_id)
            except PowerCut:
                db.session.rollback()

    def _check(self, issue_id, before):
        issue = db.session.get(Issue, issue_id)
        content, got = freezing.content(issue), world.brought(issue_id)
        assert set(got) == {
            one.id for one in db.session.scalars(select(Subscriber)) if self._new(one, issue, content, before)
        }
        for reader_id, article_ids in got.items():
            one = db.session.get(Subscriber, reader_id)
            assert article_ids == self._new(one, issue, content, before)
        assert_once()

    def _new(self, one, issue, content, before):
        """What the issue has for a reader, found the slow way."""
        if one.paused_until and one.paused_until > world.datetime.now(world.UTC):
            return set()
        carried = {topic.id for topic in content.sections}
        taken = {
            each.topic_id
            for each in one.subscriptions
            if each.newsletter_id == issue.newsletter_id and each.state is SubscriptionState.CONFIRMED
        }
        return {
            each.id for each in content.stories if taken & carried & set(each.topic_ids) and not before[one.id, each.id]
        }


def test_planning_walks_readers_in_pages_with_few_statements(room):
    daily = newsletter()
    article("music")
    for _ in range(30):
        reader("music", of=daily)
    (issue_id,) = approved(daily)
    settings.use(dataclasses.replace(settings.current(), planning_page=100))
    statements = []

    @event.listens_for(db.extension.engine, "before_cursor_execute")
    def _count(_connection, _cursor, statement, *_rest):
        statements.append(statement)

    planning.release(issue_id)
    assert db.session.scalar(select(func.count(Message.id))) == 30
    assert len(statements) < 80
