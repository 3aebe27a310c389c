"""The absolute addresses that mails print, all below the base URL."""

import re
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

import idna

from newsletter import settings
from newsletter.mail import plaintext

_HOST = re.compile(r"[a-z0-9_:.-]+")
# What RFC 3986 lets stand in a URI, with the percent sign of what is encoded already.
_URI = "!#$%&'()*+,/:;=?@[]~-._"


def home() -> str:
    return page("/")


def confirm(token: str) -> str:
    return page(f"/confirm/{token}")


def preferences(token: str) -> str:
    return page(f"/preferences/{token}")


def agree(token: str) -> str:
    return page(f"/agree/{token}")


def legal_version(kind: str, number: int) -> str:
    """One published version of "terms" or "privacy"."""
    return page(f"/{kind}/{number}")


def private(token: str) -> str:
    return page(f"/preferences/private/{token}")


def move(token: str) -> str:
    return page(f"/preferences/address/{token}")


def unsubscribe(token: str) -> str:
    return page(f"/unsubscribe/{token}")


def unsubscribe_mailto(address: str, token: str) -> str:
    """For List-Unsubscribe: a mail to `address` whose subject carries the token (RFC 2369 3.2)."""
    return f"mailto:{quote(address, safe='@')}?subject={quote(f'unsubscribe {token}')}"


def web_issue(slug: str, number: int, section: str = "") -> str:
    """The issue in the archive, at the section of that topic's slug."""
    return page(f"/archive/{quote(slug)}/{number}") + (f"#{quote(section)}" if section else "")


def page(path: str) -> str:
    """Any other page of this service, by its path from the root."""
    return settings.current().base_url + path


def path_of(url: str) -> str:
    """An address of ours without the base URL, for pages that may be read under another name."""
    return url.removeprefix(settings.current().base_url)


def safe(url: str) -> str:
    """An http(s) address from outside in plain ASCII; empty when it is anything else, `javascript:` above all."""
    try:
        parts = urlsplit(re.sub(r"[\t\n]", "", plaintext.clean(url)).strip())
        place = _place(parts)
    except (ValueError, idna.IDNAError):
        return ""
    if parts.scheme not in ("http", "https") or not place:
        return ""
    return quote(urlunsplit((parts.scheme, place, parts.path, parts.query, parts.fragment)), safe=_URI)


def _place(parts: SplitResult) -> str:
    """Host in A-labels and port; empty when the host is none, or a name or password stands before it."""
    host = parts.hostname or ""
    if not host.isascii():
        host = idna.encode(host, uts46=True).decode("ascii")
    if "@" in parts.netloc or not _HOST.fullmatch(host):
        return ""
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{parts.port}" if parts.port else host
