"""Mail to the next hop by SMTP: from NEWSLETTER_SMTP_URL to a courier."""

import contextlib
import functools
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from newsletter import settings
from newsletter.errors import ConfigurationError
from newsletter.outbox.courier import Courier, Habits
from newsletter.outbox.transports import opening

_PORTS = {"none": 25, "starttls": 587, "implicit": 465}


@dataclass(frozen=True)
class Transport:
    """Couriers to one mail server."""

    server: opening.Server
    habits: Habits

    def courier(self) -> Courier:
        return Courier(functools.partial(opening.open_connection, self.server), self.habits)


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
    habits = Habits(
        command_time=chosen.command_time,
        dot_time=chosen.dot_time,
        idle_time=chosen.idle_session,
        may_pipeline=chosen.pipelining,
    )
    return Transport(server, habits)


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
