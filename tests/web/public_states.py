"""Every state of every page that is open to all: the route, the method, the status, and how to bring it about."""

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from flask import Flask, abort, request
from flask.testing import FlaskClient

from newsletter import clock, db, settings
from newsletter.articles import publishing
from newsletter.audience import asking, fresh_links, reader_links
from newsletter.audience.models import LinkKind, LinkRequest, SignupRequest, Subscriber
from newsletter.audience.reader_links import ReaderLink
from newsletter.issues import composing, lifecycle, planning
from newsletter.publication import legal, newsletters
from newsletter.publication.models import LegalKind
from tests.audience import magazine
from tests.issues import world

# What answers with no page: nothing is read there by a person.
NO_PAGES = {
    "syndication.all_issues", "syndication.newsletter_issues", "syndication.topic_issues", "embed.script",
    "legal.terms_source", "legal.privacy_source", "private.download", "media.show", "theme.stylesheet",
    "health.live", "health.ready", "static", "inbox.download",
}  # fmt: skip
# Answered by a route that is made to fail: no page's own.
REFUSALS = (400, 403, 404, 405, 409, 413, 415, 429, 500, 503)
SENTENCES = {"de": "Ich stimme {terms} zu, {privacy} gelesen.", "ar": "أوافق على {terms} و {privacy}."}


@dataclass
class Opening:
    """A page about to be opened: its address, and what is sent to it where it is a POST."""

    path: str
    fields: dict[str, str | list[str]] = field(default_factory=dict)


class Stage:
    """A magazine with a sent issue, an earlier one corrected since, and as many readers as are asked for."""

    def __init__(self, app: Flask, client: FlaskClient) -> None:
        self.client, self.number = client, 0
        # Nobody waits here between opening a form and pressing its button.
        settings.use(
            dataclasses.replace(
                settings.current(), form_minimum_time=timedelta(0), signups_per_network=1000, measures_readers=True
            )
        )
        app.testing = False
        app.view_functions["health.ready"] = lambda: abort(request.args.get("status", 500, type=int))
        magazine.found()
        for code, sentence in SENTENCES.items():
            legal.word_consent(sentence, code)
            for kind in LegalKind:
                legal.publish(kind, title=f"{kind.value} {code}", markdown="## Words\n\nMore words.", language=code)
        db.session.commit()
        withdrawn = self._send("A record that never was")
        self._send("A quiet record & a half, and a Donaudampfschifffahrtselektrizitätenhauptbetriebswerk")
        publishing.withdraw(withdrawn)
        db.session.commit()

    def form(self, path: str = "/subscribe") -> str:
        """The hidden token of a page's form."""
        found = re.search(r'name="form" value="([^"]+)"', self.client.get(path).text)
        assert found, path
        return found[1]

    def pending(self, *, is_lapsed: bool = False) -> str:
        """A sign-up waiting to be confirmed; its token."""
        self.number += 1
        magazine.ask(f"reader{self.number}@readers.example", newsletters=["daily", "weekly"])
        token = magazine.newest_token()
        if is_lapsed:
            self._newest(SignupRequest).expires_at = clock.now() - timedelta(days=1)
        db.session.commit()
        return token

    def reader(self, *wishes: str) -> Subscriber:
        """Somebody new who confirmed."""
        self.number += 1
        subscriptions = list(wishes or ("daily:music", "daily:fashion", "weekly:art"))
        magazine.ask(f"reader{self.number}@readers.example", subscriptions=subscriptions)
        magazine.confirm()
        return self._newest(Subscriber)

    def link(self, *wishes: str, left: bool = False) -> str:
        """The token of a new reader's link in The Daily, who may have left it."""
        token = reader_links.token(ReaderLink(self.reader(*wishes).id, newsletters.get("daily").id))
        db.session.rollback()
        if left:
            self.client.post(f"/unsubscribe/{token}")
        return token

    def fresh(self, kind: LinkKind, *, is_lapsed: bool = False) -> str:
        """The token of a link that was mailed to a new reader."""
        fresh_links.mail(kind, self.reader(), f"new{self.number}@readers.example")
        mailed = self._newest(LinkRequest)
        if is_lapsed:
            mailed.expires_at = clock.now() - timedelta(hours=1)
        token = fresh_links.token(mailed)
        db.session.commit()
        return token

    def asked(self) -> str:
        """The token by which a new reader agrees to new terms."""
        reader = self.reader().id
        document = asking.publish(
            title="Terms of Use",
            markdown=f"## What is new\n\nTerms for reader {reader} and later ones.",
            language="en",
            ask_by_at=clock.now() + timedelta(days=9),
            readers=asking.count("en"),
        )
        while asking.ask_page():
            pass
        token = asking.token(document.id, reader)
        db.session.commit()
        return token

    def confirmed(self) -> str:
        token = self.pending()
        self.client.post(f"/confirm/{token}")
        return token

    def moved(self) -> str:
        token = self.fresh(LinkKind.MOVE)
        self.client.post(f"/preferences/address/{token}")
        return token

    def _send(self, headline: str) -> "publishing.Article":
        daily = newsletters.get("daily")
        story = world.article("music", ready_at=clock.now(), hypes=3952, headline=headline)
        magazine.ask("first@readers.example", subscriptions=["daily:music"])
        if self.number == 0:
            magazine.confirm()
        self.number += 1
        issue = composing.compose(daily)
        lifecycle.approve(issue, actor="ed")
        lifecycle.send_now(issue, actor="ed")
        issue_id = issue.id
        db.session.commit()
        planning.release(issue_id)
        return story

    def _newest(self, model):
        return db.session.query(model).order_by(model.id.desc()).first()


def _signup(at: Stage, path: str = "/subscribe", **fields: str | list[str]) -> Opening:
    at.number += 1
    typed = {"email": f"visitor{at.number}@readers.example", "topics": ["music"], "newsletters": ["daily"]}
    return Opening(path, {"form": at.form(), "terms": "yes", **typed, **fields})


def _less(at: Stage) -> Opening:
    token = at.link(left=True)
    fields: dict[str, str | list[str]] = {
        "form": at.form(f"/unsubscribe/{token}"), "subscription": ["weekly:art", "weekly:music"]
    }  # fmt: skip
    return Opening(f"/preferences/{token}", fields)


def _saved(at: Stage, day: str = "") -> Opening:
    token = at.link()
    fields: dict[str, str | list[str]] = {
        "form": at.form(f"/preferences/{token}"), "more": "yes", "digest-music": "weekly", "paused_until": day
    }  # fmt: skip
    return Opening(f"/preferences/{token}", fields)


def _agreed(at: Stage) -> Opening:
    token = at.asked()
    return Opening(f"/agree/{token}", {"form": at.form(f"/agree/{token}")})


def _next_month() -> str:
    return (clock.now() + timedelta(days=30)).date().isoformat()


def _plain(path: str) -> Callable[[Stage], Opening]:
    return lambda _: Opening(path)


def _private(at: Stage, rest: str = "", **fields: str | list[str]) -> Opening:
    return Opening(f"/preferences/private/{at.fresh(LinkKind.PRIVATE)}{rest}", fields)


def _at(path: str, token: Callable[[Stage], str], **fields: str | list[str]) -> Callable[[Stage], Opening]:
    return lambda at: Opening(path.replace("<token>", token(at)), fields)


def _left(at: Stage) -> str:
    return at.link(left=True)


def _lapsed(at: Stage) -> str:
    return at.pending(is_lapsed=True)


# (method and route, status, what it shows, how to get there)
STATES: list[tuple[str, int, str, Callable[[Stage], Opening]]] = [
    ("GET /", 200, "the newsletters", _plain("/")),
    ("GET /subscribe", 200, "the form", _plain("/subscribe?topic=music")),
    ("POST /subscribe", 200, "look in your inbox", _signup),
    ("POST /subscribe", 400, "everything wrong", lambda at: _signup(at, email="x", terms="", newsletters=["opera"])),
    ("POST /subscribe", 400, "a suggestion", lambda at: _signup(at, email="ana@gmial.com")),
    ("POST /subscribe", 200, "filled in elsewhere", lambda at: _signup(at, form="", email="a@readers.example")),
    ("POST /subscribe", 200, "open too long", lambda at: _signup(at, form="old")),
    ("GET /embed", 200, "the box", _plain("/embed?topic=music")),
    ("POST /embed/subscribe", 200, "look in your inbox", lambda at: _signup(at, "/embed/subscribe")),
    ("POST /embed/subscribe", 400, "what is wrong", lambda at: _signup(at, "/embed/subscribe", email="a@gmial.com")),
    ("GET /confirm/<token>", 200, "the button", _at("/confirm/<token>", Stage.pending)),
    ("GET /confirm/<token>", 200, "already confirmed", _at("/confirm/<token>", Stage.confirmed)),
    ("GET /confirm/<token>", 404, "no such link", _plain("/confirm/wrong")),
    ("GET /confirm/<token>", 410, "too old", _at("/confirm/<token>", _lapsed)),
    ("POST /confirm/<token>", 200, "subscribed", _at("/confirm/<token>", Stage.pending)),
    ("POST /confirm/<token>/again", 200, "link sent", _at("/confirm/<token>/again", _lapsed)),
    ("GET /preferences", 200, "which address", _plain("/preferences")),
    ("POST /preferences", 200, "link sent", lambda at: Opening("/preferences", {"email": "a@readers.example"})),
    ("POST /preferences", 400, "no address", lambda at: Opening("/preferences", {"email": "x"})),
    ("GET /preferences/<token>", 200, "topics and how often", _at("/preferences/<token>", Stage.link)),
    ("GET /preferences/<token>", 404, "no such link", _plain("/preferences/wrong")),
    ("POST /preferences/<token>", 200, "saved, and paused", lambda at: _saved(at, _next_month())),
    ("POST /preferences/<token>", 400, "no such day", lambda at: _saved(at, "soon")),
    ("POST /preferences/<token>", 200, "less often instead of leaving", _less),
    ("POST /preferences/<token>/link", 200, "link sent", _at("/preferences/<token>/link", Stage.link)),
    ("GET /preferences/private/<token>", 200, "my data", _private),
    ("GET /preferences/private/<token>", 404, "too old",
     _at("/preferences/private/<token>", lambda at: at.fresh(LinkKind.PRIVATE, is_lapsed=True))),
    ("POST /preferences/private/<token>/address", 200, "move: sent",
     lambda at: _private(at, "/address", email="elsewhere@readers.example")),
    ("POST /preferences/private/<token>/address", 400, "move: no address",
     lambda at: _private(at, "/address", email="x")),
    ("GET /preferences/address/<token>", 200, "move: the button",
     _at("/preferences/address/<token>", lambda at: at.fresh(LinkKind.MOVE))),
    ("GET /preferences/address/<token>", 200, "move: done already", _at("/preferences/address/<token>", Stage.moved)),
    ("GET /preferences/address/<token>", 404, "move: too old",
     _at("/preferences/address/<token>", lambda at: at.fresh(LinkKind.MOVE, is_lapsed=True))),
    ("POST /preferences/address/<token>", 200, "move: done",
     _at("/preferences/address/<token>", lambda at: at.fresh(LinkKind.MOVE))),
    ("GET /preferences/private/<token>/erasure", 200, "erase: the question", lambda at: _private(at, "/erasure")),
    ("POST /preferences/private/<token>/erasure", 200, "erase: done", lambda at: _private(at, "/erasure")),
    ("GET /unsubscribe/<token>", 200, "the button", _at("/unsubscribe/<token>", Stage.link)),
    ("GET /unsubscribe/<token>", 200, "left already", _at("/unsubscribe/<token>", _left)),
    ("POST /unsubscribe/<token>", 200, "left, with every offer", _at("/unsubscribe/<token>", Stage.link)),
    ("POST /unsubscribe/<token>", 200, "left everything", _at("/unsubscribe/<token>", Stage.link, everything="yes")),
    ("POST /unsubscribe/<token>", 200, "undone", _at("/unsubscribe/<token>", _left, undo="yes")),
    ("POST /unsubscribe/<token>", 200, "paused", _at("/unsubscribe/<token>", _left, pause="30")),
    ("POST /unsubscribe/<token>", 200, "thanked", _at("/unsubscribe/<token>", _left, reason="often")),
    ("POST /unsubscribe/<token>", 400, "no reason", _at("/unsubscribe/<token>", _left, reason="")),
    ("GET /archive", 200, "every newsletter", _plain("/archive")),
    ("GET /archive/<slug>", 200, "one newsletter", _plain("/archive/daily")),
    ("GET /archive/<slug>", 200, "no issue yet", _plain("/archive/weekly")),
    ("GET /archive/<slug>", 404, "no newsletter", _plain("/archive/opera")),
    ("GET /archive/<slug>/<int:number>", 200, "corrected since", _plain("/archive/daily/1")),
    ("GET /archive/<slug>/<int:number>", 200, "an issue", _plain("/archive/daily/2")),
    ("GET /archive/<slug>/<int:number>", 404, "no issue", _plain("/archive/daily/9")),
    ("GET /topics/<slug>", 200, "a topic", _plain("/topics/music")),
    ("GET /topics/<slug>", 200, "nothing on it yet", _plain("/topics/art")),
    ("GET /terms", 200, "in force", _plain("/terms")),
    ("GET /terms/<int:number>", 200, "a version", _plain("/terms/1")),
    ("GET /terms/<int:number>", 404, "no such version", _plain("/terms/99")),
    ("GET /privacy", 200, "in force", _plain("/privacy")),
    ("GET /privacy/<int:number>", 200, "a version", _plain("/privacy/1")),
    *(("GET /readyz", status, "refused", _plain(f"/readyz?status={status}")) for status in REFUSALS),
    ("GET /agree/<token>", 200, "new terms", _at("/agree/<token>", Stage.asked)),
    ("POST /agree/<token>", 200, "agreed", _agreed),
    ("GET /agree/<token>", 404, "no such link", _plain("/agree/wrong")),
]  # fmt: skip
