"""One mail tried through the transport, each step told in words, with what to do about the one that failed."""

import base64
import dataclasses
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import quote

from newsletter.outbox.composers import Row, Wire
from newsletter.outbox.courier import Courier
from newsletter.outbox.ledger import Claim
from newsletter.outbox.parcels import Asked, Parcel, Told
from newsletter.outbox.parcels import Courier as AnyCourier
from newsletter.outbox.replies import Reply
from newsletter.outbox.transports import choice, opening, smtp
from newsletter.outbox.transports.opening import Opened, Server
from newsletter.settings import Settings


class Step(NamedTuple):
    """One step of the way, how it went, and what was said."""

    name: str
    is_well: bool
    said: str


@dataclass(frozen=True)
class Trial:
    """What became of the mail: the steps up to the last one taken, and what to do where that failed."""

    steps: list[Step]
    advice: str = ""

    @property
    def is_well(self) -> bool:
        return all(step.is_well for step in self.steps)


def run(chosen: Settings, wire: Wire, row: Row) -> Trial:
    """Hand the mail to the next hop; never longer than settings.relay_test_time. No database is used."""
    limit = chosen.relay_test_time
    hurried = dataclasses.replace(
        chosen, command_time=min(chosen.command_time, limit), dot_time=min(chosen.dot_time, limit)
    )
    transport, parcel = choice.choose(hurried), Parcel(Claim(0, 0, "", row), wire)
    if not isinstance(transport, smtp.Transport):
        reply = _carry(transport.courier(), parcel, limit)
        return Trial([Step("Written into the mail folder", reply.is_accepted, _said(reply))], advice=_NO_SERVER)
    facts: list[_Facts] = []
    courier = Courier(_noting(transport.server, facts), transport.habits)
    reply = _carry(courier, parcel, limit)
    return _told(transport.server, parcel, reply, facts[0] if facts else None)


@dataclass(frozen=True)
class _Facts:
    """What was found out about an open connection."""

    tls: str
    valid_until: str
    extensions: dict[str, str]


def _noting(server: Server, facts: list[_Facts]) -> Callable[[], Opened | Reply]:
    def open_connection() -> Opened | Reply:
        outcome = opening.open_connection(server)
        if isinstance(outcome, Opened):
            facts.append(_facts(outcome))
        return outcome

    return open_connection


def _facts(opened: Opened) -> _Facts:
    connected = opened.connected
    if not isinstance(connected, ssl.SSLSocket):
        return _Facts("", "", opened.extensions)
    certificate = connected.getpeercert() or {}
    return _Facts(connected.version() or "TLS", str(certificate.get("notAfter", "")), opened.extensions)


def _carry(courier: AnyCourier, parcel: Parcel, limit: timedelta) -> Reply:
    until = time.monotonic() + limit.total_seconds()
    try:
        courier.wants(1)
        courier.carry(parcel)
        while time.monotonic() < until:
            for event in courier.listen(0.2):
                if isinstance(event, Told):
                    return event.reply
                if isinstance(event, Asked):
                    courier.answer([parcel], [])
        courier.break_off()
        ends = [event.reply for event in courier.listen(0) if isinstance(event, Told)]
        phase = ends[0].phase if ends else "connect"
        return Reply(phase, None, f"there was no end to it within {limit.total_seconds():g} seconds")
    finally:
        courier.close()


def _told(server: Server, parcel: Parcel, reply: Reply, facts: _Facts | None) -> Trial:
    names = _names(server, parcel, facts)
    way = list(names)
    # A refusal that was known from EHLO, before a byte was sent, has the phase it spared.
    last = way.index(reply.phase)
    steps = [Step(*_well(*names[phase])) for phase in way[:last]]
    name, _ = names[reply.phase]
    steps.append(Step(name, reply.phase == "dot" and reply.is_accepted, _scrubbed(_said(reply), server)))
    advice = "" if steps[-1].is_well else _advice(reply)
    return Trial(steps, advice.format(host=server.host, port=server.port, hello=server.hello, sender=parcel.sender))


def _names(server: Server, parcel: Parcel, facts: _Facts | None) -> dict[str, tuple[str, str]]:
    """The steps to this server, in order, by their phase: (name, what is said of it when it went well)."""
    secured = ("Not secured" if server.tls == "none" else "Secured", _secured(server, facts))
    greeted = ("Greeted", f"It knows us as {server.hello}{_offers(facts)}.")
    names = {"connect": ("Connected", f"{server.host}, port {server.port}.")}
    if server.tls == "implicit":
        names |= {"starttls": secured, "ehlo": greeted}
    else:
        names |= {"ehlo": greeted, "starttls": secured}
    names["auth"] = ("Logged in", f"As {server.user}." if server.user else "Not asked for: the address names no user.")
    return names | {
        "mail": ("Sender accepted", f"{parcel.sender}."),
        "rcpt": ("Recipient accepted", f"{parcel.recipient}."),
        "data": ("Message asked for", f"{parcel.size:,} bytes."),
        "dot": ("Message accepted", ""),
    }


def _secured(server: Server, facts: _Facts | None) -> str:
    if server.tls == "none":
        return "The address says tls=none. Fit for a mail server on this machine or network, and for no other."
    version = facts.tls if facts else "TLS"
    until = f", valid until {facts.valid_until}" if facts and facts.valid_until else ""
    return f"{version.replace('TLSv', 'TLS ')}. The certificate is verified for {server.host}{until}."


def _offers(facts: _Facts | None) -> str:
    found = facts.extensions if facts else {}
    known = [name.upper() for name in ("pipelining", "size", "8bitmime", "smtputf8") if name in found]
    return f" and offers {', '.join(known)}" if known else ""


def _well(name: str, said: str) -> tuple[str, bool, str]:
    return name, True, said


def _said(reply: Reply) -> str:
    return f"It answered: {reply}" if reply.code is not None else f"{reply.text[:1].upper()}{reply.text[1:]}."


def _scrubbed(text: str, server: Server) -> str:
    """A server may say back what it was sent."""
    if not server.password:
        return text
    pairs = (server.password, f"\0{server.user}\0{server.password}")
    secrets = [
        server.password,
        quote(server.password, safe=""),
        *(base64.b64encode(each.encode()).decode() for each in pairs),
    ]
    for secret in secrets:
        text = text.replace(secret, "…")
    return text


def _advice(reply: Reply) -> str:
    if reply.phase == "dot" and reply.code is None:
        return _UNKNOWN
    return _ADVICE.get((reply.phase, reply.code is None)) or _ADVICE[reply.phase, False]


_NO_SERVER = "No mail server is set. Name yours in NEWSLETTER_SMTP_URL and start again."
_UNKNOWN = (
    "The message was handed over, and no answer came: it may have arrived. Look into your mailbox; if this happens "
    "again, ask who runs {host}."
)
_ADVICE = {
    ("connect", True): "Check host and port in NEWSLETTER_SMTP_URL, whether the mail server is running, and whether a "
    "firewall lets this machine out to port {port}.",
    ("connect", False): "{host} takes no connections from this machine now. Ask who runs it to let it in.",
    ("ehlo", False): "{host} does not accept the name {hello}, which is the host of NEWSLETTER_BASE_URL. It should be "
    "a name that leads to this machine.",
    ("starttls", True): "Port {port} may be meant for another kind of TLS: smtps:// for TLS from the start (465), "
    "smtp:// for STARTTLS (587).",
    ("starttls", False): "The password and the mails would not be safe, so nothing was sent. Use the name the "
    "certificate is made for; for an authority of your own set SSL_CERT_FILE to its certificate.",
    ("auth", False): "Check user and password in NEWSLETTER_SMTP_URL; signs like @ : / in them are written %40 %3A "
    "%2F. Some providers want a password made for programs.",
    ("mail", False): "{host} does not let you write as {sender}. Have the address or its domain verified there, or "
    "change NEWSLETTER_SENDER.",
    ("rcpt", False): "{host} does not carry mail to this address for you: it wants a login, or this machine among "
    "those it relays for.",
    ("data", False): "Its answer says why. If it names a limit, wait and try again.",
    ("dot", False): "It read the message and refused it; its answer says why. Often SPF, DKIM or DMARC of the "
    "sender’s domain are missing.",
}
