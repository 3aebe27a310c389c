"""Commands for what there is to read: feeds and articles."""

import dataclasses
from collections import defaultdict
from pathlib import Path
from typing import IO

import click
from flask.cli import AppGroup

from newsletter import db, errors
from newsletter.articles import (
    catalogue,
    correcting,
    feeds,
    importing,
    pages,
    placing,
    polling,
    publishing,
    trying,
    writing,
)
from newsletter.articles.correcting import Words
from newsletter.cli.answers import ACTOR, Answer, add
from newsletter.cli.sections import Sections
from newsletter.staff import audit

_MAP = click.option("--map", "mapping", multiple=True, metavar="CATEGORY=TOPIC", help='Like "Tech & Gadgets=tech".')
_TOPIC = click.option("--topic", multiple=True, help="A topic's slug that every article gets; may be repeated.")


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    feed = AppGroup("feed", help="The feeds articles come from.")
    corrections = ("touched", "withdraw", "correct", "let-go", "note")
    article = Sections("article", help="The magazine's articles.", sections={"corrections": corrections})
    group.add_command(feed)
    group.add_command(article)
    add(feed, "add", add_feed, click.argument("url"), _TOPIC, _MAP, click.option("--language", default="en"))
    add(feed, "list", list_feeds, reads=True)
    for name, function in (("pause", pause_feed), ("resume", resume_feed)):
        add(feed, name, function, click.argument("feed_id", type=int, metavar="FEED"))
    number = click.argument("feed_id", type=int, metavar="FEED")
    add(feed, "map", map_feed, number, _TOPIC, _MAP, click.option("--language", help="A code, like en; else as it is."))
    add(feed, "test", try_feed, number)
    add(
        feed,
        "fetch",
        fetch,
        click.argument("feed_id", type=int, required=False),
        click.option("--all", "every", is_flag=True, help="Fetch every active feed."),
    )
    file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    add(article, "import", import_file, file, _TOPIC, click.option("--language", default="en"))
    add(
        article,
        "list",
        list_articles,
        click.option("--words", default="", help="In the headline."),
        click.option("--topic", default="", help="A topic's slug."),
        click.option("--state", default="", help=f"One of {', '.join(catalogue.STATES)}."),
        click.option("--feed", "feed_id", type=int),
        click.option("--language", default=""),
        click.option("--before", type=int, help="Below this article."),
        reads=True,
    )
    add(
        article,
        "place",
        place,
        click.argument("article_id", type=int, metavar="ARTICLE"),
        click.option("--topic", multiple=True, help="The main one first; all of them."),
        click.option("--priority", type=int),
        click.option("--evergreen/--no-evergreen", default=None),
        click.option("--picture", help="Its address; empty: none."),
    )
    add(
        article,
        "write",
        write,
        click.argument("url"),
        click.option("--headline", required=True),
        click.option("--dek", default=""),
        click.option("--body", type=click.File(), help="A file of Markdown; - reads it from standard input."),
        click.option("--topic", multiple=True, help="The main one first; all of them."),
        click.option("--author", default=""),
        click.option("--language", default="en"),
        click.option("--picture", default="", help="Its address."),
        click.option("--alt", default="", help="The picture in words."),
        click.option("--priority", type=int, default=0),
        click.option("--evergreen", is_flag=True),
        click.option("--hypes", type=int),
        click.option("--comments", type=int),
    )
    add(article, "add", add_page, click.argument("url"), _TOPIC)


def add_feed(*, url: str, topic: tuple[str, ...], mapping: tuple[str, ...], language: str) -> Answer:
    """Add a feed; its items get the topics given, or those its categories map to."""
    feed = feeds.add(url, topics=topic, mapping=_mapping(mapping), language=language)
    return Answer({"feed": feed.id, "url": feed.url}, [f"Feed {feed.id}: {feed.url}."])


def pause_feed(*, feed_id: int) -> Answer:
    """Fetch a feed no more by itself."""
    feed = feeds.get(feed_id)
    before = feed.is_active
    feeds.pause(feed)
    audit.record(ACTOR, "feed paused", f"feed {feed_id}", before={"is_active": before}, after={"is_active": False})
    return Answer({"feed": feed_id, "is_active": False}, [f"Feed {feed_id} is paused."])


def resume_feed(*, feed_id: int) -> Answer:
    """Fetch a paused feed again."""
    feed = feeds.get(feed_id)
    before = feed.is_active
    feeds.go_on(feed)
    audit.record(ACTOR, "feed resumed", f"feed {feed_id}", before={"is_active": before}, after={"is_active": True})
    return Answer({"feed": feed_id, "is_active": True}, [f"Feed {feed_id} is fetched again."])


def map_feed(*, feed_id: int, topic: tuple[str, ...], mapping: tuple[str, ...], language: str | None) -> Answer:
    """Set what a feed's items are about: all of it, what is not named goes."""
    before = feeds.plan_of(feeds.get(feed_id))
    plan = feeds.Plan(topic, _mapping(mapping), before.language if language is None else language)
    after = feeds.plan_of(feeds.change(feed_id, plan))
    told = [dataclasses.asdict(each) for each in (before, after)]
    audit.record(ACTOR, "feed mapped", f"feed {feed_id}", before=told[0], after=told[1])
    return Answer({"feed": feed_id, **told[1]}, [f"Feed {feed_id} is mapped; it is fetched again."])


def try_feed(*, feed_id: int) -> Answer:
    """Fetch a feed and tell what would come in; nothing is stored."""
    feed = feeds.get(feed_id)
    url, language, is_first = feed.url, feed.language, feed.first_fetched_at is None
    db.session.rollback()
    _, document = polling.look(url, language=language)
    if document is None:
        return Answer({"feed": feed_id, "items": [], "problems": []}, ["The feed says that nothing is new."])
    with db.reading():
        trial = trying.judge(document, feeds.get(feed_id), first_fetch=is_first)
        db.session.rollback()
    items = [dataclasses.asdict(offer) for offer in trial.offers]
    lines = [
        f"{offer.fate.value:>8}  {offer.headline}  [{', '.join(offer.topics) or 'no topic'}]  {offer.why}".rstrip()
        for offer in trial.offers
    ]
    data = {"feed": feed_id, "items": items, "refused": trial.refused, "problems": trial.problems}
    return Answer(data, [*lines, *trial.refused, *trial.problems] or ["The feed holds no item."])


def list_feeds() -> Answer:
    """List the feeds with what their last fetch said."""
    found = feeds.all()
    rows = [
        {"feed": feed.id, "url": feed.url, "fetched_at": feed.fetched_at, "error": feed.last_error} for feed in found
    ]
    lines = [f"{feed.id:>4}  {feed.url}  {feed.last_error or 'ok'}" for feed in found]
    return Answer({"feeds": rows}, lines or ["No feed yet. Add one: flask newsletter feed add"])


def fetch(*, feed_id: int | None, every: bool) -> Answer:
    """Fetch one feed, or all; a broken one says what was wrong and keeps what could be read."""
    if (feed_id is None) == (not every):
        raise errors.BadInput("Say which feed to fetch by its number, or --all.")
    chosen = [feed.id for feed in feeds.all() if feed.is_active] if every else [feed_id or 0]
    # Polling mixes network and database, so it owns its transactions.
    db.session.rollback()
    reports = [polling.poll(each) for each in chosen]
    lines = []
    for report in reports:
        lines.append(f"Feed {report.feed_id}: {report.new} new, {report.updated} updated, {report.same} unchanged.")
        lines += [f"  {problem}" for problem in ([report.error] if report.error else []) + list(report.problems)]
    data = {
        "feeds": len(reports),
        "new": sum(report.new for report in reports),
        "updated": sum(report.updated for report in reports),
        "same": sum(report.same for report in reports),
        "failed": [{"feed": report.feed_id, "error": report.error} for report in reports if report.error],
        "problems": [problem for report in reports for problem in report.problems],
    }
    return Answer(data, lines or ["No feed yet. Add one: flask newsletter feed add"], is_well=not data["failed"])


def import_file(*, file: Path, topic: tuple[str, ...], language: str) -> Answer:
    """Import a feed or JSON Feed file, by the same rules as a feed."""
    report = importing.import_file(file.read_bytes(), topics=topic, language=language)
    lines = [f"{report.new} new, {report.updated} updated, {report.same} unchanged.", *report.problems]
    data = {"new": report.new, "updated": report.updated, "same": report.same, "problems": list(report.problems)}
    return Answer(data, lines)


def list_articles(
    *, words: str, topic: str, state: str, feed_id: int | None, language: str, before: int | None
) -> Answer:
    """List articles, the newest first, a page at a time."""
    found = catalogue.page(catalogue.Search(words, topic, state, feed_id, language), before=before)
    rows = [
        {
            "article": each.id,
            "headline": each.headline,
            "url": each.url,
            "topics": [one.slug for one in each.topics],
        }
        for each in found
    ]
    return Answer({"articles": rows}, [f"{row['article']:>6}  {row['headline']}" for row in rows] or ["None."])


def place(
    *, article_id: int, topic: tuple[str, ...], priority: int | None, evergreen: bool | None, picture: str | None
) -> Answer:
    """Choose an article's topics, rank and picture; no feed undoes it."""
    article = correcting.get(article_id)
    present = placing.of(article)
    wanted = dataclasses.replace(
        present,
        topics=topic or present.topics,
        priority=present.priority if priority is None else priority,
        is_evergreen=present.is_evergreen if evergreen is None else evergreen,
        picture_url=present.picture_url if picture is None else picture,
    )
    before = placing.put(article, wanted)
    after = {name: getattr(wanted, name) for name in before}
    audit.record(ACTOR, "article placed", f"article {article_id}", before=before, after=after)
    return Answer({"article": article_id, "changed": sorted(before)}, [f"Article {article_id} is saved."])


def write(
    *,
    url: str,
    headline: str,
    dek: str,
    body: IO[str] | None,
    topic: tuple[str, ...],
    author: str,
    language: str,
    picture: str,
    alt: str,
    priority: int,
    evergreen: bool,
    hypes: int | None,
    comments: int | None,
) -> Answer:
    """Publish an article written by hand; URL is the page readers follow it to."""
    words = Words(headline, dek, url, alt, body.read() if body else "")
    found = writing.write(
        words, placing.Place(topic, priority, evergreen, hypes, comments, picture), author=author, language=language
    )
    after = {"headline": found.headline, "url": found.url, "topics": list(topic)}
    audit.record(ACTOR, "article written", f"article {found.id}", after=after)
    return Answer({"article": found.id, **after}, [f"Article {found.id}: {found.headline}"])


def add_page(*, url: str, topic: tuple[str, ...]) -> Answer:
    """Import one article from its page's address."""
    db.session.rollback()
    published = publishing.publish(pages.read(url, topics=topic))
    article = published.article
    data = {"article": article.id, "outcome": published.outcome, "headline": article.headline}
    return Answer(data, [f"{published.outcome.value}: {article.headline}"])


def _mapping(pairs: tuple[str, ...]) -> dict[str, list[str]]:
    mapping: dict[str, list[str]] = defaultdict(list)
    for pair in pairs:
        category, equals, slug = pair.rpartition("=")
        if not equals or not category:
            raise errors.BadInput(f'A mapping is written like "Tech & Gadgets=tech", not {pair!r}.', field="map")
        mapping[category].append(slug)
    return dict(mapping)
