"""Looking an issue's finished mails through before it may go: harm blocks its approval, anything else is a warning.

The mails are looked through as a job, and their links asked as another part of it; what was found is kept with the
hash of what the issue said. Where nobody has done it by the approval, it is done there, without the links: one that
could not be asked in time never blocks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, exists, or_, select

from newsletter import clock, db, errors, jobs, settings
from newsletter.issues import background, counting, figuring, findings, freezing, matching, plates, weblinks
from newsletter.issues.findings import Finding, Level
from newsletter.issues.freezing import Content
from newsletter.issues.matching import Matcher
from newsletter.issues.models import OPEN_ISSUES, Edition, Issue, IssueState, Preflight
from newsletter.issues.selection import Profile, Selection
from newsletter.issues.weblinks import Standing
from newsletter.mail import inspection, links
from newsletter.mail.inspection import Inspected
from newsletter.mail.press import Press
from newsletter.staff import notices

JOB = "preflight"

# Stand for a reader in the mails looked through.
_TOKEN = "preflight"  # noqa: S105 - opens nothing
_ADDRESS, _MESSAGE_ID = "reader@magazine.example", "<preflight@magazine.example>"


@dataclass(frozen=True)
class Report:
    """What is known of an issue: `state` is waiting, checking, problems or ready; findings with the blocks first."""

    state: str
    findings: tuple[Finding, ...]
    links: int
    links_checked: int
    inspected_at: datetime | None
    mails: tuple[dict[str, Any], ...] = ()

    @property
    def blocks(self) -> tuple[Finding, ...]:
        """What keeps it from being approved."""
        return tuple(finding for finding in self.findings if finding.level is Level.BLOCK)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What an editor should look at."""
        return tuple(finding for finding in self.findings if finding.level is Level.WARN)


@dataclass(frozen=True)
class _Seen:
    """An issue looked through."""

    version: int
    content_hash: str
    findings: list[Finding]
    links: list[dict[str, Any]]
    mails: list[dict[str, Any]]


def of(issue: Issue) -> Report:
    """What is known now. Nothing is rendered or asked here; of an issue changed since, its own words alone."""
    kept = db.session.get(Preflight, issue.id)
    if kept is None or kept.version != issue.version or kept.asked_at is not None:
        found = findings.in_words(_own_words(issue))
        return Report("problems" if found else "waiting", tuple(found), 0, 0, kept.inspected_at if kept else None)
    return _report(kept)


def blocks(issue: Issue) -> tuple[Finding, ...]:
    """What keeps the issue from being approved, as far as it is known."""
    return of(issue).blocks


def exactly(issue: Issue) -> Report:
    """The report about exactly what the issue says now; where there is none, its mails are looked through here."""
    content = freezing.content(issue)
    kept = db.session.get(Preflight, issue.id)
    if kept is None or kept.content_hash != freezing.hash_of(issue, content):
        kept = _keep(issue.id, _look(issue, content))
    return _report(kept)


def refuse_harm(issue: Issue) -> None:
    """Raises Conflict, with the first thing to mend, for an issue that would do harm."""
    found = exactly(issue).blocks
    if found:
        where = f" It stands in {found[0].places[0].name}." if found[0].places else ""
        more = f" There is more: {len(found) - 1}." if len(found) > 1 else ""
        raise errors.Conflict(f"It cannot be approved. {found[0].said}{where}{more}")


def unchecked(issue: Issue) -> str:
    """A sentence where links could not be asked in time; empty where all were."""
    kept = db.session.get(Preflight, issue.id)
    report = _report(kept) if kept else None
    if report is None or report.links_checked == report.links:
        return ""
    return f"{report.links - report.links_checked} of {report.links} links could not be checked in time."


def ask(issue: Issue) -> None:
    """Have it looked through anew, soon, and links asked again that did not answer well; flushes."""
    kept = background.row(Preflight, issue.id)
    kept.asked_at = clock.now()
    weblinks.doubt([each["url"] for each in kept.links])
    db.session.flush()
    jobs.defer(JOB, issue_id=issue.id)


def due(now: datetime) -> list[int]:
    """Open issues that were changed since they were looked through, or that are to be looked through again."""
    return list(db.session.scalars(_due(now).order_by(Issue.id)))


def run(issue_id: int) -> None:
    """The job: look the issue's mails through, then ask its links. Owns its transactions; harmless twice."""
    if look_through(issue_id):
        kept = db.session.get(Preflight, issue_id)
        urls = [each["url"] for each in kept.links] if kept else []
        db.session.rollback()
        weblinks.check(urls)
        _tell(issue_id)


def look_through(issue_id: int) -> bool:
    """Look the mails of an open issue through and keep what was found; False when it is not open. Owns transactions."""
    began_at = clock.now()
    with db.reading():
        db.session.rollback()
        issue = db.session.get(Issue, issue_id)
        if issue is None or issue.state not in OPEN_ISSUES:
            db.session.rollback()
            return False
        content, kept, version = freezing.content(issue), db.session.get(Preflight, issue_id), issue.version
        is_known = kept is not None and kept.content_hash == freezing.hash_of(issue, content) and not kept.asked_at
        seen = None if is_known else _look(issue, content)
        db.session.rollback()
    if db.session.get(Issue, issue_id) is not None:
        kept = _keep(issue_id, seen) if seen else background.row(Preflight, issue_id)
        kept.version, kept.inspected_at = version, began_at
        background.answered(kept, began_at=began_at)
    db.session.commit()
    return True


def _due(now: datetime) -> Select[int]:
    return (
        select(Issue.id)
        .outerjoin(Preflight, Preflight.issue_id == Issue.id)
        .where(
            Issue.state.in_(OPEN_ISSUES),
            or_(
                Preflight.issue_id.is_(None),
                Preflight.asked_at.is_not(None),
                Preflight.version != Issue.version,
                Preflight.inspected_at <= now - settings.current().preflight_interval,
            ),
        )
    )


def _report(kept: Preflight) -> Report:
    answers = weblinks.known([each["url"] for each in kept.links], clock.now())
    found = [*(Finding.of(value) for value in kept.findings), *_about_links(kept.links, answers)]
    found.sort(key=lambda finding: finding.level is not Level.BLOCK)
    is_blocked = any(finding.level is Level.BLOCK for finding in found)
    is_checking = len(answers) < len(kept.links)
    state = "problems" if is_blocked else "checking" if is_checking else "ready"
    return Report(state, tuple(found), len(kept.links), len(answers), kept.inspected_at, tuple(kept.mails))


def _about_links(asked: Sequence[dict[str, Any]], answers: dict[str, weblinks.Answered]) -> Iterator[Finding]:
    for each in asked:
        answered = answers.get(each["url"])
        if answered and answered.standing is not Standing.FINE:
            level = Level.BLOCK if answered.standing is Standing.DEAD else Level.WARN
            places = tuple(findings.Place(**place) for place in each["places"])
            yield Finding("link", level, f"{each['url']}: {answered.said}", places)


def _own_words(issue: Issue) -> Iterator[findings.Words]:
    yield findings.Words(findings.SUBJECT, issue.subject)
    yield findings.Words(findings.PREHEADER, issue.preheader)
    yield findings.Words(findings.INTRO, issue.intro)
    for entry in issue.stories:
        headline, dek = entry.headline or entry.article.headline, entry.dek or entry.article.dek
        yield findings.Words(findings.of_story(entry.article_id, headline), f"{headline}\n{dek}")
    yield from (findings.words_of_block(block) for block in issue.blocks)


def _look(issue: Issue, content: Content) -> _Seen:
    """Render the editions that stand out and look each through as it would leave."""
    mails: dict[str, Inspected] = {}
    broken: list[Finding] = []
    for name, chosen in _editions(issue, content).items():
        try:
            mails[name] = _inspected(issue, content, chosen)
        except errors.BadInput as error:
            broken.append(Finding("headers", Level.BLOCK, error.message, (findings.SUBJECT,)))
    found = [
        *broken,
        *findings.in_mails(content, list(mails.values())),
        *_repeated(issue, content, list(mails.values())),
        *([] if issue.is_note else findings.too_few(content)),
    ]
    urls = dict.fromkeys([*_urls_of(content), *(url for mail in mails.values() for url in mail.urls)])
    return _Seen(
        version=issue.version,
        content_hash=freezing.hash_of(issue, content),
        findings=list(dict.fromkeys(found)),
        links=[
            {"url": url, "places": [vars(place) for place in findings.places_of_link(content, url)]}
            for url in urls
            if weblinks.is_asked(url)
        ],
        mails=[{"name": name, "subject": mail.subject, "bytes": mail.html_bytes} for name, mail in mails.items()],
    )


def _editions(issue: Issue, content: Content) -> dict[str, Selection]:
    """What a reader of everything gets, and the editions counted as smallest, largest and most common.

    Before anybody has counted, the ones a reader of a single topic gets: the shortest and the longest.
    """
    matcher = matching.matcher(issue, content)
    chosen = {"everything": _of_topics(matcher, matcher.pool.section_ids)}
    samples = counting.of(issue).figures
    for name in ("smallest", "largest", "commonest"):
        if name in samples:
            chosen[name] = matching.select_for(matcher, figuring.profile_of(samples[name]["profile"]))
    if len(chosen) == 1:
        single = [_of_topics(matcher, (topic_id,)) for topic_id in matcher.pool.section_ids]
        by_length = sorted((each for each in single if each.sections), key=lambda each: len(each.story_ids))
        chosen |= {"smallest": by_length[0], "largest": by_length[-1]} if by_length else {}
    # A note has words alone, the same for all.
    shown = [(name, each) for name, each in chosen.items() if each.sections or issue.is_note]
    by_key = {each.key: name for name, each in reversed(shown)}
    return {name: chosen[name] for name in chosen if by_key.get(chosen[name].key) == name}


def _of_topics(matcher: Matcher, topic_ids: Sequence[int]) -> Selection:
    taken = frozenset(topic_ids)
    return matching.select_for(matcher, Profile(taken, taken))


def _inspected(issue: Issue, content: Content, chosen: Selection) -> Inspected:
    present, dated_at = settings.current(), issue.send_at or clock.now()
    pressed = plates.cast(issue.id, content, chosen, dated_at=dated_at, is_automatic=issue.is_automatic)
    raw = Press(pressed.plate).fill(_ADDRESS, _MESSAGE_ID, dated_at, _TOKEN)
    expected = inspection.Expected(_TOKEN, present.postal_address, present.mail_html_bytes)
    return inspection.inspect(raw, expected)


def _urls_of(content: Content) -> list[str]:
    return [url for story in content.stories if (url := links.safe(story.url))]


def _repeated(issue: Issue, content: Content, mails: Sequence[Inspected]) -> Iterator[Finding]:
    """Subjects that one of the newsletter's latest issues bore as well."""
    latest = (
        select(Issue.id, Issue.number)
        .where(Issue.newsletter_id == issue.newsletter_id, Issue.id != issue.id, Issue.released_at.is_not(None))
        .order_by(Issue.number.desc())
        .limit(settings.current().subject_memory)
        .subquery()
    )
    for subject in dict.fromkeys(mail.subject for mail in mails):
        bore = exists().where(Edition.issue_id == latest.c.id, Edition.subject == subject)
        number = db.session.scalar(select(latest.c.number).where(bore).order_by(latest.c.number.desc()).limit(1))
        if number is not None:
            yield findings.repeated(subject, number, findings.place_of_subject(content, subject))


def _tell(issue_id: int) -> None:
    """Tell the editors of an approved issue whose links turned out dead after the approval: it still goes."""
    issue, kept = db.session.get(Issue, issue_id), db.session.get(Preflight, issue_id)
    if issue is not None and kept is not None and issue.state is not IssueState.DRAFT:
        found = _report(kept).blocks
        if found:
            notices.tell(
                f"preflight:{issue.id}:{kept.content_hash}",
                subject=f"{issue.newsletter.title}, issue {issue.number}, is approved and has a problem",
                text=f"{found[0].said} It goes all the same, unless you return it to draft.",
                path=f"/admin/issues/{issue.id}#preflight",
                issue_id=issue.id,
            )
    db.session.commit()


def _keep(issue_id: int, seen: _Seen) -> Preflight:
    kept = background.row(Preflight, issue_id)
    kept.version, kept.content_hash, kept.inspected_at = seen.version, seen.content_hash, clock.now()
    kept.findings = [finding.value() for finding in seen.findings]
    kept.links, kept.mails = seen.links, seen.mails
    db.session.flush()
    return kept
