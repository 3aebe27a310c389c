"""Every number and choice an operator may change, each a row with its reason; read from NEWSLETTER_* variables."""

import ipaddress
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from newsletter.errors import ConfigurationError

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "NEWSLETTER_"


def _row(default: Any, doc: str) -> Any:
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True)
class Settings:
    """One process's settings. Each field is the variable NEWSLETTER_<FIELD>; a timedelta is given in seconds."""

    env: str = _row("", "development or production; unset: development exactly when the base URL is unset or loopback")
    instance: str = _row(str(ROOT / "instance"), "folder for the development database, secret and mail")
    secret_key: str = _row("", "signs links and sessions; at least 32 characters; development makes its own")
    secret_key_fallbacks: tuple[str, ...] = _row((), "older secret keys, comma-separated, still accepted in links")
    database_url: str = _row("", "sqlite:///... or postgresql+psycopg://...; default a file in the instance folder")
    engine: str = _row(
        "embedded",
        "who does background jobs: embedded (the scheduler, on its machine) or procrastinate (workers on any number of "
        "machines; PostgreSQL only)",
    )
    base_url: str = _row("", "where readers reach this service; all links are built from it")
    smtp_url: str = _row(
        "", "smtp://user:pass@host:port?tls=none|starttls or smtps://...; unset in development: a folder"
    )
    mail_folder: str = _row("", "where the development transport writes .eml files; default instance/mail")
    sender: str = _row("", "the From of mails: Name <address>")
    postal_address: str = _row("", "printed at the foot of every mail (CAN-SPAM 15 USC 7704(a)(5))")
    demo: bool = _row(True, "whether `python app.py` loads the sample magazine into an empty development database")
    host: str = _row("127.0.0.1", "address the web server binds")
    port: int = _row(8000, "port the web server binds; PORT and --port also set it")
    trusted_proxies: tuple[str, ...] = _row((), "networks, comma-separated, whose X-Forwarded-For is believed")

    # sign-up
    confirmation_lifetime: timedelta = _row(timedelta(days=7), "how long a confirmation link works")
    confirmation_interval: timedelta = _row(
        timedelta(hours=1), "at most one confirmation mail per address in this time"
    )
    confirmations_per_month: int = _row(3, "confirmation mails per address in 30 days, against list bombing")
    bounced_interval: timedelta = _row(
        timedelta(days=7), "after a hard bounce, at most one confirmation mail to the address in this time"
    )
    signups_per_network: int = _row(
        20, "sign-ups mailed per network (/24, /64) and hour; the page answers the same past it"
    )
    signups_per_domain: int = _row(
        500, "sign-ups mailed to one mail domain in an hour; the page answers the same past it"
    )
    signups_in_total: int = _row(
        2000, "confirmation mails by the form in one hour from everybody, against list bombing"
    )
    embed_sites: tuple[str, ...] = _row(
        (), "sites, comma-separated like https://magazine.example, that may frame the sign-up box; none named: none"
    )
    form_minimum_time: timedelta = _row(
        timedelta(seconds=2), "a form sent back faster than this was filled by a machine"
    )
    form_lifetime: timedelta = _row(timedelta(days=2), "a form older than this asks to be sent again")
    unconfirmed_lifetime: timedelta = _row(
        timedelta(days=30), "unconfirmed sign-ups are deleted after this (GDPR 5(1)(e))"
    )
    network_details_lifetime: timedelta = _row(
        timedelta(days=30), "network address and browser of a consent are kept whole for this long, then shortened"
    )
    agreement_expiry: timedelta = _row(
        timedelta(days=5), "a mail that asks to agree to new terms is given up after this (RFC 5321 4.5.4.1)"
    )
    private_link_lifetime: timedelta = _row(
        timedelta(hours=1), "a link for download, erasing and another address works for this long: mails are forwarded"
    )
    move_lifetime: timedelta = _row(timedelta(days=1), "a change of address must be confirmed at the new one in this")
    link_interval: timedelta = _row(timedelta(minutes=5), "at most one mail with a link per address in this time")
    links_per_day: int = _row(5, "mails with a link per address and day")
    undo_lifetime: timedelta = _row(
        timedelta(days=1), "leaving can be undone for this long: some scanners press buttons"
    )
    proof_lifetime: timedelta = _row(
        timedelta(days=3 * 365 + 366), "who left is erased after this: three years' limitation to the end of a year"
    )
    measures_readers: bool = _row(
        False, "whether the magazine measures readers personally, each with a consent of its own"
    )

    # articles
    feed_interval: timedelta = _row(timedelta(minutes=15), "how often a feed is polled")
    feed_connections: int = _row(4, "feeds polled at the same time")
    compose_poll_time: timedelta = _row(
        timedelta(seconds=30), "an issue that is to be composed waits no longer for further feeds of its newsletter"
    )
    feed_items: int = _row(500, "items read from one feed document")
    fetch_bytes: int = _row(5_000_000, "a fetched document may be this large, after decompression")
    fetch_time: timedelta = _row(timedelta(seconds=20), "a fetch is given up after this, however slowly it trickles")
    fetch_redirects: int = _row(3, "redirects followed, each checked like the first address")
    fetch_ports: tuple[int, ...] = _row((80, 443), "ports fetched from; development allows any on loopback")
    picture_bytes: int = _row(10_000_000, "a fetched picture may be this large")
    picture_pixels: int = _row(40_000_000, "a picture with more pixels than this is refused before it is decoded")
    picture_wide: int = _row(1200, "width in pixels of a lead picture, twice what a 600 px mail shows")
    picture_small: int = _row(240, "width in pixels of a list picture, twice the 120 px shown")
    picture_retry: timedelta = _row(timedelta(hours=1), "a picture that could not be fetched is tried again after this")
    dek_length: int = _row(160, "characters of a dek made from a first sentence")

    # issues
    look_back_most: timedelta = _row(timedelta(days=14), "articles older than this are never offered")
    look_back_by_hand: timedelta = _row(timedelta(days=2), "look-back of a newsletter without a calendar")
    draft_ahead: timedelta = _row(timedelta(hours=15), "a draft that needs approval opens this long before its time")
    approval_deadline: timedelta = _row(
        timedelta(minutes=30), "an unapproved issue is warned of this long before its time"
    )
    max_lateness: timedelta = _row(timedelta(hours=6), "an issue later than this is held and an editor told")
    send_undo: timedelta = _row(
        timedelta(seconds=60),
        "an issue sent now from the desk leaves after this and can be undone till then; 0: none",
    )
    release_ahead: timedelta = _row(
        timedelta(minutes=2), "planning of a scheduled issue begins this long before its time"
    )
    section_size: int = _row(10, "stories in one section of a digest")
    mail_size: int = _row(25, "stories in one digest")
    read_next_size: int = _row(3, "items under What to read next")
    issue_minimum: int = _row(1, "stories an issue needs, else it is held and an editor told")
    undo_steps: int = _row(50, "changes of an open issue that can be undone, one after the other")
    issue_expiry: timedelta = _row(timedelta(hours=24), "a deferred message of an issue is given up after this")
    figures_rest: timedelta = _row(
        timedelta(seconds=5),
        "after its readers are counted, a changed issue is counted again after this, or five times what that took",
    )
    figures_lifetime: timedelta = _row(
        timedelta(hours=1), "figures of an open issue older than this are counted again, though nothing changed"
    )
    planning_page: int = _row(20_000, "most readers planned in one transaction")
    page_time: timedelta = _row(
        timedelta(seconds=0.12), "a page of planning or sweeping is sized to hold SQLite's write lock this long"
    )
    link_time: timedelta = _row(timedelta(seconds=10), "a link that has not answered after this is doubtful")
    link_connections: int = _row(4, "links of an issue checked at the same time")
    link_lifetime: timedelta = _row(
        timedelta(hours=6), "how long what a link answered is believed; one that did not answer well: a tenth of it"
    )
    preflight_interval: timedelta = _row(
        timedelta(minutes=5), "an open issue is looked through again after this, though nobody changed it: articles do"
    )
    preflight_ahead: timedelta = _row(
        timedelta(minutes=15), "links of an issue that needs no approval are checked from this long before its time"
    )
    tests_per_hour: int = _row(60, "test mails of issues to editors in one hour, all together")
    subject_length: int = _row(70, "characters of a subject above which editors are warned: phones show fewer still")
    subject_memory: int = _row(10, "a subject is compared with those of so many issues before it")
    few_stories: int = _row(3, "an issue with fewer stories than this warns its editors")
    mail_html_bytes: int = _row(102_000, "Gmail clips HTML above 102 KB (hteumeuleu/email-bugs 41)")

    # delivery
    confirmation_expiry: timedelta = _row(
        timedelta(hours=24), "a confirmation that cannot be delivered is given up after this"
    )
    connections: int = _row(16, "most SMTP connections of one worker; how many serve best is found by trying")
    pipelining: bool = _row(True, "whether commands leave together where the mail server offers it (RFC 2920)")
    claim_page: int = _row(500, "most messages a worker claims at once")
    claim_time: timedelta = _row(
        timedelta(seconds=1), "a worker claims what leaves in about this time, so that confirmations wait no longer"
    )
    round_share: float = _row(
        0.75, "share of the connections at work worth a commit, which costs about as much for one as for twenty"
    )
    round_commits: float = _row(3.0, "how many times as long as the last commit took is waited for that share")
    round_linger: timedelta = _row(
        timedelta(milliseconds=2), "longest wait for that share: a slow disk is no reason to dawdle"
    )
    thread_turn: timedelta = _row(
        timedelta(milliseconds=0.5), "longest turn of one thread of a worker while another has something to do"
    )
    garbage_objects: int = _row(50_000, "objects a worker makes before it looks for garbage among them")
    sweep_page: int = _row(5000, "most messages cancelled or given up in one transaction")
    press_bytes: int = _row(
        16_000_000, "pressed editions a worker keeps in memory, some 400 of 40 KB; others are read again"
    )
    command_time: timedelta = _row(timedelta(seconds=30), "deadline for connecting and for each SMTP command")
    dot_time: timedelta = _row(timedelta(seconds=600), "deadline for the reply to the final dot (RFC 5321 4.5.3.2.6)")
    retry_first: timedelta = _row(timedelta(minutes=5), "wait after the first temporary refusal; doubles each time")
    retry_most: timedelta = _row(
        timedelta(seconds=4000), "longest wait between attempts (Postfix's maximal_backoff_time)"
    )
    doubts_most: int = _row(3, "under retry, doubts after which a message is left uncertain")
    worker_heartbeat: timedelta = _row(timedelta(seconds=5), "how often a worker says it is alive")
    worker_silence: timedelta = _row(timedelta(seconds=30), "a worker silent this long is dead for good")
    outbox_poll: timedelta = _row(timedelta(milliseconds=50), "how often an idle worker looks for new messages")
    bounce_line: float = _row(0.02, "share of an issue's mails refused for good above which Today says so")
    alarm_after: timedelta = _row(
        timedelta(minutes=2), "an issue or a mail that should have left so long ago makes Today ask what runs"
    )
    breaker_share: float = _row(0.05, "share of hard failures that pauses an issue")
    breaker_sample: int = _row(500, "messages the share is judged on")
    relay_rest: timedelta = _row(
        timedelta(seconds=0.2), "rest after the mail server could not be reached or broke off; doubles each time"
    )
    relay_rest_most: timedelta = _row(timedelta(seconds=60), "longest rest before the mail server is tried again")
    relay_tries: int = _row(5, "failures in a row to reach the mail server that end `deliver --until-empty`")
    not_sent_most: int = _row(3, "drops before the body after which a message waits like a refused one")
    stop_time: timedelta = _row(
        timedelta(seconds=20), "a stopped worker waits this long for the replies to messages in flight"
    )
    idle_session: timedelta = _row(timedelta(seconds=20), "an SMTP connection unused this long is closed")
    relay_rate: float = _row(0.0, "messages a second that all workers together hand to the relay; 0: no limit")
    domain_rates: tuple[str, ...] = _row(
        (), "messages a second to a recipient domain, comma-separated like gmail.com=20,outlook.com=5"
    )
    pace_refusals: int = _row(3, "temporary refusals after which mail to a domain is slowed; fewer may be chance")
    pace_share: float = _row(0.1, "... when they are this share of its latest answers: one full mailbox is no storm")
    pace_ease: timedelta = _row(
        timedelta(seconds=5), "a slowed pace is halved, or raised by a twentieth of what it was, once in this time"
    )
    pace_forget: timedelta = _row(timedelta(minutes=5), "without a refusal for so long, a slowed pace is free again")
    pace_slowest: timedelta = _row(timedelta(seconds=5), "however slow, one message leaves in this time to find out")
    pace_ahead: timedelta = _row(
        timedelta(minutes=5), "a message waits for its turn at most this long before it is looked at again"
    )
    pace_refresh: timedelta = _row(timedelta(seconds=2), "how often a worker asks what others have slowed")
    breaker_unwritten: int = _row(10, "messages in a row that cannot be composed, which pause an issue")
    breaker_uncertain: int = _row(3, "uncertain outcomes in a row that pause an issue")

    # figures
    counting_lag: timedelta = _row(
        timedelta(seconds=60),
        "on PostgreSQL a consent is counted so long after it was written: all before it are in",
    )

    # staff and web
    setup_lifetime: timedelta = _row(timedelta(days=3), "how long a one-time link for an editor works")
    session_idle: timedelta = _row(timedelta(hours=2), "an editor's session ends after this long without a request")
    session_lifetime: timedelta = _row(timedelta(hours=12), "an editor's session ends after this in any case")
    password_length: int = _row(12, "shortest password accepted")
    login_attempts: int = _row(10, "logins tried for one account from one network in 15 minutes")
    login_attempts_in_total: int = _row(
        50, "logins tried for one account, or from one network, in 15 minutes; leaves room for a newsroom"
    )
    totp_required: str = _row(
        "none", "whose login needs a code of an app beside the password: none, publishers (and admins) or all"
    )
    reauthenticate: timedelta = _row(
        timedelta(minutes=15), "before a dangerous act the editor shows again who they are, unless within this time"
    )
    notice_expiry: timedelta = _row(timedelta(hours=24), "a notice to an editor that cannot be delivered is given up")
    relay_tests: int = _row(10, "times an hour one editor may try the mail server")
    relay_test_time: timedelta = _row(timedelta(seconds=20), "a test of the mail server is given up after this")
    request_bytes: int = _row(2_000_000, "largest request body accepted")
    import_bytes: int = _row(100_000_000, "largest file of readers accepted from an editor who may import")
    import_lifetime: timedelta = _row(
        timedelta(days=7), "a file of readers that was looked through and not taken in is deleted after this"
    )

    # scheduler
    tick_interval: timedelta = _row(timedelta(seconds=2), "how often the scheduler looks for issues that are due")
    sweep_interval: timedelta = _row(timedelta(seconds=30), "how often dead workers and expired messages are swept")

    # background jobs
    issue_jobs: int = _row(
        2, "issues composed, planned or released by one process at the same time; more only share its core"
    )
    check_jobs: int = _row(2, "issues counted or checked by one process at the same time, apart from those that leave")
    import_jobs: int = _row(1, "files of readers looked through or taken in by one process at the same time")
    job_tries: int = _row(5, "tries after which a job that fails is left to the next tick")
    job_retry_first: timedelta = _row(timedelta(seconds=1), "wait after a job failed first; doubles each time")
    job_retry_most: timedelta = _row(timedelta(minutes=2), "longest wait between two tries of a job")
    job_silence: timedelta = _row(
        timedelta(seconds=30), "a jobs worker silent this long is dead, and what it did is deferred anew"
    )
    job_history: timedelta = _row(timedelta(days=7), "jobs that failed for good are kept this long to be looked at")

    @property
    def is_development(self) -> bool:
        return self.env == "development"

    @property
    def is_secure(self) -> bool:
        return self.base_url.startswith("https:")


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the environment; raises ConfigurationError, one sentence naming the variable."""
    values = {
        row.name: _parse(row, environ[PREFIX + row.name.upper()])
        for row in fields(Settings)
        if environ.get(PREFIX + row.name.upper(), "") != ""
    }
    if "PORT" in environ and "port" not in values:
        values["port"] = _whole_number("PORT", environ["PORT"])
    return _complete(values)


def current() -> Settings:
    """The settings this process runs with."""
    if _current is None:
        raise ConfigurationError("The settings have not been loaded.")
    return _current


def use(settings: Settings) -> None:
    """Make `settings` what `current` answers in this process."""
    global _current
    _current = settings


_current: Settings | None = None


def _parse(row: "Field[Any]", text: str) -> Any:
    name, kind = PREFIX + row.name.upper(), cast("type", type(row.default))
    try:
        if kind is timedelta:
            return timedelta(seconds=float(text))
        if kind is bool:
            return _yes_or_no(name, text)
        if kind is int:
            return _whole_number(name, text)
        if kind is float:
            return float(text)
        if kind is tuple:
            parts = tuple(part.strip() for part in text.split(",") if part.strip())
            return tuple(int(part) for part in parts) if row.name == "fetch_ports" else parts
    except ValueError:
        raise ConfigurationError(f"{name} must be a number, not {text!r}.") from None
    return text.strip()


def _yes_or_no(name: str, text: str) -> bool:
    if text.lower() not in ("yes", "no", "true", "false", "1", "0"):
        raise ConfigurationError(f"{name} must be yes or no, not {text!r}.")
    return text.lower() in ("yes", "true", "1")


def _whole_number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigurationError(f"{name} must be a whole number, not {text!r}.") from None


def _complete(values: dict[str, Any]) -> Settings:
    port = values.get("port", Settings.port)
    if not 0 <= port <= 65535:
        raise ConfigurationError("NEWSLETTER_PORT must be between 0 and 65535.")
    base_url = str(values.get("base_url", "")).rstrip("/") or f"http://127.0.0.1:{port}"
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigurationError("NEWSLETTER_BASE_URL must look like https://news.magazine.example.")
    values["base_url"] = base_url
    values.setdefault("env", "development" if is_loopback(parts.hostname) else "production")
    if values["env"] not in ("development", "production"):
        raise ConfigurationError("NEWSLETTER_ENV must be development or production.")
    values.setdefault("instance", Settings.instance)
    if values["env"] == "development":
        _complete_for_development(values)
    else:
        _check_for_production(values)
    if len(values["secret_key"]) < 32:
        raise ConfigurationError("NEWSLETTER_SECRET_KEY must have at least 32 characters.")
    _check_smtp(values.get("smtp_url", ""), development=values["env"] == "development")
    if not values["database_url"].startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ConfigurationError("NEWSLETTER_DATABASE_URL must begin with sqlite:/// or postgresql+psycopg://.")
    _check_neighbours(values)
    return Settings(**values)


def _check_neighbours(values: dict[str, Any]) -> None:
    rates_of(values.get("domain_rates", ()))
    if values.get("relay_rate", 0) < 0:
        raise ConfigurationError("NEWSLETTER_RELAY_RATE must be a number of messages a second, or 0 for no limit.")
    if values.get("totp_required", Settings.totp_required) not in ("none", "publishers", "all"):
        raise ConfigurationError("NEWSLETTER_TOTP_REQUIRED must be none, publishers or all.")
    _check_engine(values.get("engine", Settings.engine), values["database_url"])
    for network in values.get("trusted_proxies", ()):
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise ConfigurationError(f"NEWSLETTER_TRUSTED_PROXIES holds {network!r}, which is not a network.") from None
    for site in values.get("embed_sites", ()):
        if not re.fullmatch(r"https?://(\*\.)?[A-Za-z0-9.-]+(:\d+)?", site):
            raise ConfigurationError(
                f"NEWSLETTER_EMBED_SITES holds {site!r}; a site is written like https://magazine.example."
            )


def _check_engine(engine: str, database_url: str) -> None:
    if engine not in ("embedded", "procrastinate"):
        raise ConfigurationError("NEWSLETTER_ENGINE must be embedded or procrastinate.")
    if engine == "procrastinate" and not database_url.startswith("postgresql"):
        raise ConfigurationError(
            "NEWSLETTER_ENGINE=procrastinate needs a PostgreSQL database in NEWSLETTER_DATABASE_URL."
        )


def _complete_for_development(values: dict[str, Any]) -> None:
    instance = Path(values["instance"])
    values.setdefault("database_url", f"sqlite:///{instance / 'newsletter.db'}")
    values.setdefault("mail_folder", str(instance / "mail"))
    values.setdefault("sender", "The Magazine <news@magazine.example>")
    values.setdefault("postal_address", "The Magazine, 1 Example Street, Exampletown")
    if not values.get("secret_key"):
        values["secret_key"] = _own_secret(instance / "secret_key")


def rates_of(pairs: tuple[str, ...]) -> dict[str, float]:
    """Messages a second by domain, from `domain=rate` pairs."""
    found = {}
    for pair in pairs:
        domain, _, rate = pair.partition("=")
        try:
            found[domain.strip().lower()] = float(rate)
        except ValueError:
            found[""] = 0.0
        if not domain.strip() or min(found.values()) <= 0:
            raise ConfigurationError(
                f"NEWSLETTER_DOMAIN_RATES holds {pair!r}; write it like gmail.com=20,outlook.com=5."
            )
    return found


def _own_secret(path: Path) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # O_EXCL: of several processes started at once exactly one makes the key, the others read it.
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
        except FileExistsError:
            pass
        return path.read_text().strip()
    except OSError as error:
        raise ConfigurationError(f"The development secret could not be kept in {path}: {error.strerror}.") from None


def _check_for_production(values: dict[str, Any]) -> None:
    needed = {
        "secret_key": "it signs the links in mails",
        "database_url": "it says where subscribers are kept",
        "smtp_url": "it says how mail leaves",
        "sender": "it is the From of every mail",
        "postal_address": "the law asks for it in every mail",
    }
    for name, reason in needed.items():
        if not values.get(name):
            raise ConfigurationError(f"{PREFIX}{name.upper()} must be set in production: {reason}.")


def _check_smtp(url: str, *, development: bool) -> None:
    if not url:
        return
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ConfigurationError("NEWSLETTER_SMTP_URL must look like smtp://user:password@host:587?tls=starttls.")
    if development and not is_loopback(parts.hostname):
        raise ConfigurationError(
            "NEWSLETTER_SMTP_URL must be a loopback address in development: no mail leaves this machine."
        )
    if parts.username and parts.scheme == "smtp" and "tls=none" in parts.query and not is_loopback(parts.hostname):
        # RFC 8314: credentials never travel in the clear.
        raise ConfigurationError("NEWSLETTER_SMTP_URL has a password and tls=none: a password is only sent over TLS.")


def is_loopback(host: str) -> bool:
    """Whether a host name or literal address means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
