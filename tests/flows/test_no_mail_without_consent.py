"""In whatever order readers sign up, confirm, change, pause, leave, return, bounce, complain and are erased: an issue
reaches exactly those whose consent stands. The real rooms on SQLite, planning and the drain, against a small model."""

import contextlib
import re
import shutil
import threading
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from newsletter import clock, db, errors, invariants
from newsletter import settings as program
from newsletter.audience import preferences, returning, signup, unsubscribe
from newsletter.audience.consent import Origin
from newsletter.audience.models import SignupRequest, Subscriber
from newsletter.audience.preferences import Wanted
from newsletter.audience.reader_links import ReaderLink
from newsletter.audience.signup import Ask
from newsletter.issues import composing, lifecycle, planning
from newsletter.outbox import composers, suppression
from newsletter.outbox.drain import Drain
from newsletter.outbox.models import SuppressionReason
from newsletter.outbox.transports import memory
from newsletter.privacy import erase
from newsletter.publication import legal, newsletters, topics
from newsletter.publication.newsletters import Calendar, Plan
from tests.issues import world

PEOPLE = ("ana@readers.example", "bo@readers.example")
TOPICS = ("music", "art")
PAPERS = ("daily", "weekly")
FORM = Origin("form", "/subscribe", "192.0.2.7", "Browser")

_people, _papers = st.sampled_from(PEOPLE), st.sampled_from(PAPERS)
# One digest a topic, as the preferences page offers it.
_choice = st.fixed_dictionaries({topic: st.sampled_from(("", *PAPERS)) for topic in TOPICS}).map(
    lambda chosen: {f"{paper}:{topic}" for topic, paper in chosen.items() if paper}
)


class Readers(RuleBasedStateMachine):
    """The rooms beside a model of what each person's consent is."""

    url, issues, mails = "", 0, 0
    template = Path()

    @initialize(ana=_choice.filter(bool), bo=_choice)
    def open_the_magazine(self, ana, bo):
        _restore(self.template, self.url)
        self.engine = db.make_engine(self.url)
        self.requests = defaultdict(list)  # (token, names) of what was asked, used or not
        self.used = set()
        self.consent = defaultdict(set)
        self.left = defaultdict(set)  # what may be taken back
        self.paused, self.stopped = set(), {}
        # Most of what can go wrong begins with a reader.
        for who, names in zip(PEOPLE, (ana, bo), strict=True):
            self.signs_up(who, names)
            self._confirm(who, -1)
        # However a life goes on, it begins with mail.
        for paper in PAPERS:
            self.an_issue_goes_out(paper, "music")

    def teardown(self):
        if hasattr(self, "engine"):
            db.session.rollback()
            assert [(f.rule.name, f.offenders) for f in invariants.check() if f.offenders] == []
            self.engine.dispose()

    @rule(who=_people, names=_choice)
    def signs_up(self, who, names):
        before = _newest(who)
        if names:
            signup.request_subscription(Ask(email=who, origin=FORM, terms=True, subscriptions=sorted(names)))
            db.session.commit()
        request = _newest(who)
        if request and request != before:
            assert self.stopped.get(who) != "complaint"
            token = signup.token(db.session.get_one(SignupRequest, request))
            self.requests[who].append((token, names))
            # A wish that waits for its link is not taken back by undoing an earlier leaving.
            if not self.consent[who]:
                self.left[who] -= names
        db.session.rollback()

    @rule(who=_people, data=st.data())
    def confirms(self, who, data):
        self._confirm(who, data.draw(st.integers(-3, -1)))

    def _confirm(self, who, place):
        if self.requests[who]:
            token, names = self.requests[who][max(place, -len(self.requests[who]))]
            signup.confirm(token, Origin("link"))
            db.session.commit()
            if token not in self.used:
                self.used.add(token)
                self.consent[who] |= names
                if self.stopped.get(who) == "bounce":
                    del self.stopped[who]

    @rule(who=_people, names=_choice)
    def changes(self, who, names):
        with self._link(who) as link:
            preferences.choose(link, sorted(names), Origin("preferences"))
            self.consent[who] = set(names)

    @rule(who=_people, is_paused=st.booleans())
    def pauses_or_goes_on(self, who, is_paused):
        with self._link(who) as link:
            until = clock.now() + (timedelta(days=9) if is_paused else timedelta(0))
            preferences.want(link, Wanted(paused_until=until), Origin("preferences"))
            (self.paused.add if is_paused else self.paused.discard)(who)

    @rule(who=_people, paper=_papers, everything=st.booleans(), channel=st.sampled_from(("link", "one-click", "mail")))
    def leaves(self, who, paper, everything, channel):
        with self._link(who, paper) as link:
            unsubscribe.leave(link, Origin(channel), everything=everything)
            gone = {name for name in self.consent[who] if everything or name.startswith(f"{paper}:")}
            self.consent[who] -= gone
            self.left[who] |= gone

    @rule(who=_people)
    def takes_it_back(self, who):
        with self._link(who) as link:
            returned = {wish.name for wish in returning.undo(link, Origin("undo"))}
            assert returned <= self.left[who]
            self.consent[who] |= returned

    @rule(who=_people)
    def bounces(self, who):
        suppression.suppress(who, SuppressionReason.HARD_BOUNCE)
        db.session.commit()
        self.stopped.setdefault(who, "bounce")

    @rule(who=_people)
    def complains(self, who):
        suppression.suppress(who, SuppressionReason.COMPLAINT)
        db.session.commit()  # also of somebody we know nothing else about
        with self._link(who) as link:
            unsubscribe.leave(link, Origin("complaint"), everything=True)
        db.session.commit()
        self.stopped[who] = "complaint"
        self.consent[who], self.left[who] = set(), set()

    @rule(who=_people)
    def is_erased(self, who):
        with self._link(who) as link:
            erase.erase(link.subscriber_id)
            self.consent[who], self.left[who], self.requests[who] = set(), set(), []
            self.paused.discard(who)

    @rule(paper=_papers, topic=st.sampled_from(TOPICS))
    def an_issue_goes_out(self, paper, topic):
        self._release(paper, topic)
        type(self).issues += 1
        due = {who for who in PEOPLE if f"{paper}:{topic}" in self.consent[who] and self._may_get(who, paper)}
        assert due <= self._deliver()

    @rule(paper=_papers, topic=st.sampled_from(TOPICS))
    def an_issue_is_released_and_waits(self, paper, topic):
        self._release(paper, topic)

    @rule()
    def the_outbox_is_worked(self):
        self._deliver()

    def _release(self, paper, topic):
        world.article(topic, ready_at=clock.now() - timedelta(minutes=1))
        issue = composing.compose(newsletters.get(paper), now=clock.now())
        lifecycle.approve(issue, actor="test")
        lifecycle.send_now(issue, actor="test")
        issue_id = issue.id
        db.session.commit()
        planning.release(issue_id)

    def _deliver(self):
        """Who got an issue; nobody whose consent does not stand now, and no mail at all goes after a complaint."""
        db.session.rollback()
        post = memory.Transport()
        Drain(self.engine, post, compose=_compose).run(until_empty=True, stop=threading.Event())
        reached = set()
        for address, content in post.accepted:
            assert self.stopped.get(address) != "complaint"
            paper = re.search(rb"^List-Id:[^<]*<(\w+)\.", content, re.MULTILINE)
            if paper:
                assert self._may_get(address, paper[1].decode()), f"{address} got {paper[1].decode()}"
                reached.add(address)
                type(self).mails += 1
        return reached

    def _may_get(self, who, paper):
        has_consent = any(name.startswith(f"{paper}:") for name in self.consent[who])
        return has_consent and who not in self.paused and who not in self.stopped

    @contextlib.contextmanager
    def _link(self, who, paper="daily"):
        """A reader's link while anything is kept about them; else, and when it is refused, nothing happens."""
        reader = db.session.query(Subscriber).filter_by(address_key=who).first()
        link = ReaderLink(reader.id if reader else 0, newsletters.get(paper).id)
        with contextlib.suppress(errors.NotFound, errors.Refused, _Nobody):
            if reader is None:
                yield _nobody()
            else:
                yield link
                db.session.commit()
        db.session.rollback()


class _Nobody(Exception):
    """Nothing is kept about this person."""


class _nobody:  # noqa: N801 - stands where a link would
    def __getattr__(self, name):
        raise _Nobody


def _newest(who):
    statement = db.session.query(SignupRequest.id).join(Subscriber, Subscriber.id == SignupRequest.subscriber_id)
    found = statement.filter(Subscriber.address_key == who).order_by(SignupRequest.id.desc()).first()
    return found[0] if found else None


def _compose(rows):
    try:
        with db.reading():
            return composers.compose(rows)
    finally:
        db.session.remove()


def _restore(template, url):
    """Begin each example with the database as it was."""
    db.session.remove()
    db.extension.engine.dispose()
    path = Path(url.removeprefix("sqlite:///"))
    for each in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        each.unlink(missing_ok=True)
    shutil.copy(template, path)


def _run(database_url, configured, tmp_path, **effort):
    often = timedelta(microseconds=1)
    program.use(
        replace(
            configured,
            confirmation_interval=often,
            bounced_interval=often,
            confirmations_per_month=10_000,
            signups_per_network=1_000_000,
            signups_in_total=1_000_000,
        )
    )
    legal.publish_placeholders()
    for slug in TOPICS:
        topics.add(slug, slug.title())
    newsletters.save("daily", Plan("The Daily", TOPICS, Calendar(newsletters.DAYS, "07:00")))
    newsletters.save("weekly", Plan("The Weekly", TOPICS, Calendar(("fri",), "07:00")))
    db.session.commit()
    db.session.remove()
    db.extension.engine.dispose()
    Readers.url, Readers.template = database_url, tmp_path / "magazine.db"
    shutil.copy(database_url.removeprefix("sqlite:///"), Readers.template)
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(Readers, settings=settings(deadline=None, suppress_health_check=checks, **effort))


def test_an_issue_reaches_exactly_those_whose_consent_stands(room, database_url, configured, tmp_path):
    # Shrinking takes minutes: a failure here is looked into by the long run, and prints its steps all the same.
    phases = (Phase.explicit, Phase.generate)
    _run(database_url, configured, tmp_path, max_examples=20, stateful_step_count=12, phases=phases, derandomize=True)
    # Silence is no proof: enough was sent to enough people.
    assert Readers.mails > 10


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_an_issue_reaches_exactly_those_whose_consent_stands_for_long(room, database_url, configured, tmp_path):
    _run(database_url, configured, tmp_path, max_examples=max(300, settings().max_examples), stateful_step_count=40)
