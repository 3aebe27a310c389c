"""Commands for what there is to read: feeds and articles."""

from collections import defaultdict
from pathlib import Path

import click
from flask.cli import AppGroup

from newsletter import db, errors
from newsletter.articles import feeds, importing, pages, polling, publishing
from newsletter.cli.answers import Answer, add

_MAP = click.option("--map", "mapping", multiple=True, metavar="CATEGORY=TOPIC", help='Like "Tech & Gadgets=tech".')
_TOPIC = click.option("--topic", multiple=True, help="A topic's slug that every article gets; may be repeated.")


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    feed = AppGroup("feed", help="The feeds articles come from.")
    article = AppGroup("article", help="The magazine's articles.")
    group.add_command(feed)
    group.add_command(article)
    add(feed, "add", add_feed, click.argument("url"), _TOPIC, _MAP, click.option("--language", default="en"))
    add(feed, "list", list_feeds, reads=True)
    add(
        feed,
        "fetch",
        fetch,
        click.argument("feed_id", type=int, required=False),
        click.option("--all", "every", is_flag=True, help="Fetch every active feed."),
    )
    file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    add(article, "import", import_file, file, _TOPIC, click.option("--language", default="en"))
    add(article, "add", add_page, click.argument("url"), _TOPIC)


def add_feed(*, url: str, topic: tuple[str, ...], mapping: tuple[str, ...], language: str) -> Answer:
    """Add a feed; its items get the topics given, or those its categories map to."""
    feed = feeds.add(url, topics=topic, mapping=_mapping(mapping), language=language)
    return Answer({"feed": feed.id, "url": feed.url}, [f"Feed {feed.id}: {feed.url}."])


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
