"""Mail to the next hop by SMTP, phase by phase, so that what was handed over is told from what was not."""

import contextlib
import re
import socket
import ssl
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, unquote, urlsplit

from newsletter import settings
from newsletter.errors import ConfigurationError
from newsletter.outbox import suppression
from newsletter.outbox.replies import Reply, enhanced_of
from newsletter.outbox.transports import line, opening
from newsletter.outbox.transports.session import Envelope, Ready

_PORTS = {"none": 25, "starttls": 587, "implicit": 465}
_TEXT_MOST = 500
# What a path may not hold: the end of the path, of the command, or of the line.
_UNSAFE = re.compile(r"[\x00-\x20\x7f<>]")
_GRACE = timedelta(seconds=1)  # for what a server that broke off may still have said, and for QUIT


@dataclass(frozen=True)
class Transport:
    """Sessions with one mail server."""

    server: opening.Server
    dot_time: timedelta

    def open(self) -> "Session | Reply":
        opened = opening.open_connection(self.server)
        return opened if isinstance(opened, Reply) else Session(opened, self.server.command_time, self.dot_time)


def from_settings(chosen: settings.Settings, context: ssl.SSLContext | None = None) -> Transport:
    """The transport of NEWSLETTER_SMTP_URL: smtp://user:password@host:port?tls=starttls|none or smtps://...

    smtp:// without tls= asks for STARTTLS and takes nothing less. Certificates are checked against the system's
    authorities, or those of SSL_CERT_FILE.
    """
    parts = urlsplit(chosen.smtp_url)
    asked = parse_qs(parts.query).get("tls", ["starttls"])[-1]
    tls = "implicit" if parts.scheme == "smtps" else asked
    if tls not in _PORTS or not parts.hostname:
        raise ConfigurationError("NEWSLETTER_SMTP_URL must look like smtp://user:password@host:587?tls=starttls.")
    secure = context or ssl.create_default_context()
    secure.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8314 3, RFC 8996
    server = opening.Server(
        host=parts.hostname,
        port=parts.port or _PORTS[tls],
        tls=tls,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        hello=_own_name(chosen.base_url),
        command_time=chosen.command_time,
        context=secure,
    )
    return Transport(server, chosen.dot_time)


class Session:
    """One SMTP connection, one recipient a transaction, strictly in turn."""

    def __init__(self, opened: opening.Opened, command_time: timedelta, dot_time: timedelta) -> None:
        self._line = line.Line(opened.connected)
        self._guard = opened.guard
        self._extensions = opened.extensions
        self._command_time = command_time
        self._dot_time = dot_time
        self._is_unfinished = False  # a refused transaction is to be reset before the next

    def offer(self, envelope: Envelope) -> Ready | Reply:
        """MAIL, RCPT and DATA. Too large a message, or an address that cannot be written, is refused by ourselves."""
        recipient = _path(envelope.recipient)
        sender = _path(envelope.sender)
        if recipient is None:
            return Reply("rcpt", 553, "5.6.7 The address needs SMTPUTF8, which is not used here.", "5.6.7")
        if sender is None:
            return Reply("mail", 553, "The sender's address cannot be written into an envelope.")
        if 0 < self._size_limit() < envelope.size:
            # RFC 1870 6.1: said by EHLO before anything is sent.
            sentence = f"The mail server takes {self._size_limit()} bytes, the message has {envelope.size}."
            return Reply("mail", 552, f"5.3.4 {sentence}", "5.3.4")
        size = f" SIZE={envelope.size}" if envelope.size and "size" in self._extensions else ""
        return self._transaction(f"MAIL FROM:<{sender}>{size}", f"RCPT TO:<{recipient}>")

    def hand_over(self, content: bytes, following: Envelope | None = None) -> Reply:  # noqa: ARG002
        """Write the body and the dot. Lost while writing is phase data (the end never left), lost after it is dot."""
        body = stuffed(content)
        try:
            self._line.write(body, within=self._dot_time)
        except line.Lost as lost:
            return self._broken_off(lost)
        try:
            code, lines = self._line.read_reply(within=self._dot_time)
        except line.Lost as lost:
            self.drop()
            return Reply("dot", None, str(lost))
        return self._told("dot", code, lines)

    def close(self) -> None:
        """QUIT, without waiting long for the answer."""
        with contextlib.suppress(line.Lost):
            self._line.write(b"QUIT\r\n", within=_GRACE)
            self._line.read_reply(within=_GRACE)
        self.drop()
        self._line.close()
        self._guard.close()

    def drop(self) -> None:
        """Break the connection: a body without its dot is no message (RFC 5321 4.1.1.4)."""
        line.cut(self._guard)

    def _transaction(self, mail: str, rcpt: str) -> Ready | Reply:
        if self._is_unfinished:
            reset = self._say("mail", "RSET")
            if not reset.is_accepted:
                return reset
        self._is_unfinished = True
        for phase, command in (("mail", mail), ("rcpt", rcpt)):
            reply = self._say(phase, command)
            if not reply.is_accepted:
                return reply
        reply = self._say("data", "DATA")
        if reply.code == 354:
            self._is_unfinished = False
            return Ready()
        return reply

    def _say(self, phase: str, command: str) -> Reply:
        try:
            self._line.write(command.encode("ascii") + b"\r\n", within=self._command_time)
            code, lines = self._line.read_reply(within=self._command_time)
        except line.Lost as lost:
            self.drop()
            return Reply(phase, None, str(lost))
        return self._told(phase, code, lines)

    def _told(self, phase: str, code: int, lines: list[str]) -> Reply:
        text = " ".join(" ".join(lines).split())[:_TEXT_MOST]
        reply = Reply(phase, code, text, enhanced_of(lines[0]))
        if reply.is_lost:
            self.drop()
        return reply

    def _broken_off(self, lost: line.Lost) -> Reply:
        """What a server that closed in the middle of the body gave as its reason, if it did."""
        try:
            code, lines = self._line.read_reply(within=_GRACE)
        except line.Lost:
            code, lines = line.NONSENSE, []
        self.drop()
        if code >= 400 and code != 421:
            return self._told("dot", code, lines)
        return Reply("data", None, str(lost))

    def _size_limit(self) -> int:
        offered = self._extensions.get("size", "")
        return int(offered) if offered.isdigit() else 0


def stuffed(content: bytes) -> bytes:
    """The body as it goes over the wire: CRLF line ends alone, leading dots doubled, the final dot (RFC 5321 4.5.2)."""
    # A bare CR or LF before a dot is how a second message is smuggled in.
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", content)
    if not lines.endswith(b"\r\n"):
        lines += b"\r\n"
    doubled = re.sub(rb"(?m)^\.", b"..", lines)
    return doubled + b".\r\n"


def _path(address: str) -> str | None:
    """An address for MAIL or RCPT, the domain as A-labels; None when ASCII cannot hold it (RFC 6531 3.1)."""
    if not address:
        return ""
    local, _, domain = address.rpartition("@")
    path = f"{local}@{suppression.ascii_domain(domain)}"
    return None if _UNSAFE.search(path) or not path.isascii() else path


def _own_name(base_url: str) -> str:
    host = urlsplit(base_url).hostname or "localhost"
    with contextlib.suppress(OSError):
        # RFC 5321 4.1.3: an address is written in brackets.
        socket.inet_pton(socket.AF_INET, host)
        return f"[{host}]"
    with contextlib.suppress(OSError):
        socket.inet_pton(socket.AF_INET6, host)
        return f"[IPv6:{host}]"
    return host
