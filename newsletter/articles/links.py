"""When two addresses are one article: the canonical form an address is compared by."""

import hashlib
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from newsletter import errors
from newsletter.articles import wording

_TRACKING = {
    "fbclid",
    "gclid",
    "dclid",
    "msclkid",
    "mc_cid",
    "mc_eid",
    "igshid",
    "yclid",
    "ref",
    "ref_src",
    "cmpid",
    "_ga",
    "gbraid",
    "wbraid",
    "_hsenc",
    "_hsmi",
    "mkt_tok",
    "smid",
    "ncid",
    "ocid",
}
_TRACKING_PREFIXES = ("utm_", "pk_", "mtm_", "hsa_")
# PostgreSQL indexes at most 2,704 bytes; what is longer is no article's address.
_LONGEST = 2000
_DEFAULT_PORTS = {"http": 80, "https": 443}


def check(url: str) -> str:
    """The address as it may be shown and linked; raises BadInput for anything but a whole http(s) address."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or any(ord(character) <= 32 for character in url):
        raise errors.BadInput("An address begins with http:// or https://.", field="url")
    if len(url) > _LONGEST or "@" in parts.netloc or url != wording.storable(url):
        raise errors.BadInput("This address is too long, or has a name or password in it.", field="url")
    return url


def key(url: str) -> str:
    """The form in which two addresses of one article are equal: no tracking, fragment or case; idempotent."""
    parts = urlsplit(check(url))
    host = _ascii((parts.hostname or "").rstrip("."))
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    path = quote(unquote(parts.path, errors="surrogateescape"), safe="/:@!$&'()*+,;=~-._", errors="surrogateescape")
    query = urlencode(sorted(pair for pair in parse_qsl(parts.query, keep_blank_values=True) if not _is_tracking(pair)))
    # http and https are the same article.
    found = urlunsplit(("https", host + port, path.rstrip("/") or "/", query, ""))
    # Percent signs may have made it three times as long.
    return (
        found if len(found) <= _LONGEST else f"https://{host}{port}/sha256-{hashlib.sha256(found.encode()).hexdigest()}"
    )


def _ascii(host: str) -> str:
    if ":" in host:
        return f"[{host}]"
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host


def _is_tracking(pair: tuple[str, str]) -> bool:
    name, value = pair[0].lower(), pair[1].lower()
    # Medium's feeds: ?source=rss----6a3f---4
    return name in _TRACKING or name.startswith(_TRACKING_PREFIXES) or (name == "source" and value.startswith("rss"))
