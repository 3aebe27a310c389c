"""Commands for what the magazine publishes: topics, newsletters, legal texts."""

import dataclasses
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup

from newsletter import errors
from newsletter.articles import pictures
from newsletter.audience import asking
from newsletter.cli.answers import ACTOR, Answer, add, counted
from newsletter.mail import addresses
from newsletter.publication import differences, legal, masthead, newsletters, topics
from newsletter.publication.differences import Mark
from newsletter.publication.models import Approval, LegalDocument, LegalKind, LegalWay, NewsletterKind
from newsletter.staff import audit

_NEWSLETTER = (
    click.argument("slug"),
    click.option("--title", help="Its name, as readers see it; a new one needs it."),
    click.option("--topic", multiple=True, help="A topic's slug; repeat in the order of the sections."),
    click.option("--days", help="mon,tue,...; empty: sent by hand."),
    click.option("--at", help="Wall time in the zone, like 07:00."),
    click.option("--zone", help="IANA time zone, like Europe/Berlin."),
    click.option("--holiday", multiple=True, help="A local date on which it does not appear, like 2026-12-25."),
    click.option("--promise", help="One sentence: what readers get."),
    click.option("--kind", type=click.Choice([each.value for each in NewsletterKind])),
    click.option("--approval", type=click.Choice([each.value for each in Approval])),
    click.option("--unapproved", type=click.Choice(["held", "sent"]), help="What an unapproved issue is at its time."),
    click.option("--sender", help="Name <address>; empty: the house's."),
    click.option("--minimum", type=click.IntRange(1), help="Stories an issue needs."),
    click.option("--look-back", type=click.IntRange(1), help="Days it looks back."),
    click.option("--language", help="The language of its articles, like en."),
    click.option("--public/--private", default=None, help="Whether visitors are offered it."),
)
_LEGAL = (
    click.argument("kind", type=click.Choice([each.value for each in LegalKind])),
    click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path)),
    click.option("--title", required=True, help="As readers see it, like Terms of Use."),
    click.option("--language", default="en", show_default=True),
    click.option(
        "--way",
        type=click.Choice([each.value for each in LegalWay]),
        default=LegalWay.TOLD.value,
        show_default=True,
        help="correction: a slip. told: readers learn of it in the next issue. asked: they must agree by a date.",
    ),
    click.option("--ask-by", default="", help="With --way asked: until when, like 2026-12-31T23:59+01:00."),
    click.option("--readers", type=int, help="With --way asked: how many readers that asks, typed to be sure."),
)
_DIFF = (
    click.argument("kind", type=click.Choice([each.value for each in LegalKind])),
    click.option("--language", default="en", show_default=True),
    click.option("--version", type=click.IntRange(1, 2**31 - 1), help="This version; the one in force unless named."),
    click.option(
        "--file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A Markdown file that is not published yet: what it would change.",
    ),
    click.option("--title", help="With --file: its title, if that changes too."),
)
_BRACKETS = {Mark.GONE: "[-{}-]", Mark.NEW: "{{+{}+}}"}
_MASTHEAD = (
    click.option("--name", help="The magazine's name."),
    click.option("--tagline", help="A line beneath it."),
    click.option("--language", help="The language its pages greet visitors in, like en."),
    click.option("--accent", help="A colour like #b3261e."),
    click.option("--fonts", help="serif, sans or slab."),
    click.option("--label", multiple=True, help="A word of the magazine's own, like read_full=Read on; repeatable."),
    click.option("--no-labels", is_flag=True, help="The product's own words again."),
    click.option(
        "--logo",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A picture (PNG, JPEG, GIF, WebP) shown for the name.",
    ),
    click.option("--no-logo", is_flag=True, help="Show the name again."),
)


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    topic = AppGroup("topic", help="The subjects a reader chooses.")
    newsletter = AppGroup("newsletter", help="The magazine's newsletters.")
    legal_text = AppGroup("legal", help="Terms of use and privacy policy.")
    for each in (topic, newsletter, legal_text):
        group.add_command(each)
    add(topic, "add", add_topic, click.argument("slug"), click.argument("name"))
    add(topic, "list", list_topics, reads=True)
    add(topic, "order", order_topics, click.argument("slugs", metavar="SLUG...", nargs=-1, required=True))
    add(newsletter, "add", add_newsletter, *_NEWSLETTER)
    add(newsletter, "list", list_newsletters, reads=True)
    add(newsletter, "pause", pause_newsletter, click.argument("slug"))
    add(newsletter, "resume", resume_newsletter, click.argument("slug"))
    add(legal_text, "publish", publish_legal, *_LEGAL)
    add(legal_text, "diff", compare_legal, *_DIFF, reads=True)
    add(group, "masthead", set_masthead, *_MASTHEAD)


def add_topic(*, slug: str, name: str) -> Answer:
    """Add a topic, or rename the one that has this slug."""
    found = topics.find(slug)
    before = {"name": found.name} if found else {}
    topic = topics.add(slug, name)
    if before != {"name": topic.name}:
        action = "topic renamed" if before else "topic added"
        audit.record(ACTOR, action, f"topic {slug}", before=before, after={"name": topic.name})
    return Answer({"topic": topic.id, "slug": topic.slug, "name": topic.name}, [f"Topic {topic.slug}: {topic.name}."])


def list_topics() -> Answer:
    """List the topics."""
    found = topics.all()
    return Answer(
        {"topics": [{"slug": topic.slug, "name": topic.name} for topic in found]},
        [f"{topic.slug:<20} {topic.name}" for topic in found] or ["No topic yet. Add one: flask newsletter topic add"],
    )


def order_topics(*, slugs: tuple[str, ...]) -> Answer:
    """Put the topics in this order; those not named follow as they stood."""
    before = [topic.slug for topic in topics.all()]
    topics.arrange(list(slugs))
    after = [topic.slug for topic in topics.all()]
    audit.record(ACTOR, "topics put in order", "topics", before={"order": before}, after={"order": after})
    return Answer({"topics": after}, [", ".join(after)])


def add_newsletter(*, slug: str, **said: Any) -> Answer:
    """Add a newsletter, or change the one that has this slug: what is not named stays as it is.

    A new one needs --title and a --topic; without --days it is sent by hand.
    """
    present = newsletters.find(slug)
    before = newsletters.plan_of(present) if present else newsletters.Plan(title="", topics=())
    newsletter = newsletters.save(slug, _changed(before, said))
    after = newsletters.plan_of(newsletter)
    if present is None or after != before:
        audit.record(
            ACTOR,
            "newsletter changed" if present else "newsletter added",
            f"newsletter {slug}",
            before=_plain(before) if present else {},
            after=_plain(after),
        )
    carried = ", ".join(each.name for each in newsletter.topics)
    data = {"newsletter": newsletter.id, "slug": slug, "topics": [each.slug for each in newsletter.topics]}
    return Answer(data, [f"{newsletter.title} carries {carried}."])


def pause_newsletter(*, slug: str) -> Answer:
    """Let a newsletter's calendar stand still; its readers stay subscribed."""
    return _set_pause(slug, is_paused=True)


def resume_newsletter(*, slug: str) -> Answer:
    """Let a paused newsletter appear again, from its next date on."""
    return _set_pause(slug, is_paused=False)


def _set_pause(slug: str, *, is_paused: bool) -> Answer:
    newsletter = newsletters.get(slug)
    before = newsletter.paused_at is not None
    (newsletters.pause if is_paused else newsletters.go_on)(newsletter)
    if before != is_paused:
        action = "newsletter paused" if is_paused else "newsletter goes on"
        audit.record(ACTOR, action, f"newsletter {slug}", before={"paused": before}, after={"paused": is_paused})
    said = "is paused" if is_paused else "appears again"
    return Answer({"newsletter": slug, "paused": is_paused}, [f"{newsletter.title} {said}."])


def _changed(plan: newsletters.Plan, said: dict[str, Any]) -> newsletters.Plan:
    """The plan with what was named on the command line."""
    named = {name: value for name, value in said.items() if value not in (None, ())}
    calendar: dict[str, Any] = {name: named.pop(name) for name in ("at", "zone") if name in named}
    if "days" in named:
        calendar["days"] = [day.strip().lower() for day in named.pop("days").split(",") if day.strip()]
        # Without days there is no time either.
        calendar = {"at": ""} | calendar if not calendar["days"] else calendar
    if "holiday" in named:
        calendar["holidays"] = [_date(text) for text in named.pop("holiday")]
    if named.get("sender"):
        addresses.parse(named["sender"])
    renamed = {"topic": "topics", "minimum": "minimum_stories", "look_back": "look_back_days", "public": "is_public"}
    values = {renamed.get(name, name): value for name, value in named.items() if name != "unapproved"}
    if "unapproved" in named:
        values["sends_unapproved"] = named["unapproved"] == "sent"
    for name, kind in (("kind", NewsletterKind), ("approval", Approval)):
        if name in values:
            values[name] = kind(values[name])
    return dataclasses.replace(plan, calendar=dataclasses.replace(plan.calendar, **calendar), **values)


def _plain(plan: newsletters.Plan) -> dict[str, Any]:
    """A plan as the audit log keeps it."""
    values = dataclasses.asdict(plan)
    dates = [day.isoformat() for day in plan.calendar.holidays]
    calendar = values.pop("calendar")
    return {**values, **calendar, "holidays": dates, "topics": list(plan.topics)}


def list_newsletters() -> Answer:
    """List the newsletters."""
    found = newsletters.all()
    rows = [
        {"slug": each.slug, "title": each.title, "days": each.days, "at": each.at, "zone": each.zone} for each in found
    ]
    lines = [f"{each.slug:<20} {each.title}  {','.join(each.days) or 'by hand'} {each.at}" for each in found]
    return Answer({"newsletters": rows}, lines or ["No newsletter yet. Add one: flask newsletter newsletter add"])


def publish_legal(
    *, kind: str, file: Path, title: str, language: str, way: str, ask_by: str, readers: int | None
) -> Answer:
    """Publish the next version of a legal text from a Markdown file."""
    markdown = file.read_text(encoding="utf-8")
    if way == LegalWay.ASKED and kind == LegalKind.TERMS:
        document = asking.publish(
            title=title, markdown=markdown, language=language, ask_by_at=_instant(ask_by), readers=readers
        )
    else:
        document = legal.publish(
            LegalKind(kind),
            title=title,
            markdown=markdown,
            language=language,
            way=LegalWay(way),
            ask_by_at=_instant(ask_by) if ask_by else None,
        )
    if legal.wording(language) is None:
        legal.word_consent(legal.DEFAULT_SENTENCE, language)
    data = {"kind": kind, "version": document.version, "sha256": document.sha256, "published_at": document.published_at}
    return Answer(data, [f"{document.title}, version {document.version}, is published."])


def compare_legal(*, kind: str, language: str, version: int | None, file: Path | None, title: str | None) -> Answer:
    """Show what a version of a legal text changed of the one before, or what a file would change."""
    document = _compared(LegalKind(kind), language=language, version=version, file=file, title=title)
    changes = legal.changes(document)
    data = {
        "kind": kind,
        "language": language,
        "version": document.version,
        "changes": [dataclasses.asdict(line) for line in changes],
    }
    return Answer(data, [_marked(line) for line in changes] or ["Nothing changes."])


def _compared(
    kind: LegalKind, *, language: str, version: int | None, file: Path | None, title: str | None
) -> LegalDocument:
    present = legal.current(kind, language)
    if file:
        title = title or (present.title if present else kind.value.capitalize())
        return legal.drafted(kind, title=title, markdown=file.read_text(encoding="utf-8"), language=language)
    if version:
        return legal.version(kind, version, language)
    if present is None:
        raise errors.NotFound("This text has not been published yet.")
    return present


def _marked(line: differences.Line) -> str:
    """A line as it is read on a terminal without colours: [-gone-]{+new+}."""
    said = "".join(_BRACKETS.get(piece.mark, "{}").format(piece.text) for piece in line.pieces)
    match line.mark:
        case Mark.SKIPPED:
            return f"  ({counted(line.count, 'line')} unchanged)"
        case Mark.GONE:
            return f"- {line.pieces[0].text}"
        case Mark.NEW:
            return f"+ {line.pieces[0].text}"
    return f"{'~' if line.mark is Mark.REWORDED else ' '} {said}"


def set_masthead(
    *, label: tuple[str, ...], no_labels: bool, logo: Path | None, no_logo: bool, **said: str | None
) -> Answer:
    """Set the magazine's name, look and words; what is not named stays as it is. Without options, tell them."""
    encoded = pictures.encode_logo(logo.read_bytes()) if logo else None
    stored = masthead.current()
    before, logo_before = masthead.plan_of(stored), stored.logo_hash
    labels = {} if no_labels else dict(before.labels)
    labels |= dict(_pair(text) for text in label)
    named = {name: value for name, value in said.items() if value is not None}
    plan = dataclasses.replace(before, labels=labels, **named)
    if plan != before:
        after = masthead.plan_of(masthead.save(plan))
        audit.record(
            ACTOR, "masthead changed", "masthead", before=dataclasses.asdict(before), after=dataclasses.asdict(after)
        )
    if encoded or no_logo:
        masthead.set_logo(pictures.keep_logo(encoded) if encoded else None)
        logo_hash = masthead.current().logo_hash
        audit.record(ACTOR, "logo changed", "masthead", before={"logo": logo_before}, after={"logo": logo_hash})
    present = masthead.current()
    data = dataclasses.asdict(masthead.plan_of(present)) | {"logo": present.logo_hash}
    return Answer(data, [f"The masthead reads {present.name}."])


def _pair(text: str) -> tuple[str, str]:
    key, equals, word = text.partition("=")
    if not equals or key not in masthead.LABELS:
        known = ", ".join(masthead.LABELS)
        raise errors.BadInput(f"A label is written like read_full=Read on, not {text!r}. Labels: {known}.")
    return key, word


def _instant(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise errors.BadInput(f"--ask-by is written like 2026-12-31T23:59+01:00, not {text!r}.", field="ask_by")
    return moment


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise errors.BadInput(f"A holiday is written like 2026-12-25, not {text!r}.", field="holiday") from None
