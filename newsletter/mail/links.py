"""The absolute addresses that mails print, all below the base URL."""

from urllib.parse import quote, urlsplit

from newsletter import settings
from newsletter.mail import plaintext

# What RFC 3986 lets stand in a URI, with the percent sign of what is encoded already.
_URI = "!#$%&'()*+,/:;=?@[]~-._"


def home() -> str:
    return page("/")


def confirm(token: str) -> str:
    return page(f"/confirm/{token}")


def preferences(token: str) -> str:
    return page(f"/preferences/{token}")


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


def safe(url: str) -> str:
    """An http(s) address from outside in plain ASCII; empty when it is anything else, `javascript:` above all."""
    url = "".join(plaintext.clean(url).split())
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return quote(url, safe=_URI) if parts.scheme in ("http", "https") and parts.netloc else ""
