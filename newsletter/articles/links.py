"""When two addresses are one article: the canonical form an address is compared by."""

from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from newsletter import errors

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
}
_TRACKING_PREFIXES = ("utm_", "pk_", "mtm_", "hsa_")
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
    return url


def key(url: str) -> str:
    """The form in which two addresses of one article are equal: no tracking, fragment or case; idempotent."""
    parts = urlsplit(check(url))
    host = (parts.hostname or "").rstrip(".")
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    path = quote(unquote(parts.path, errors="surrogateescape"), safe="/:@!$&'()*+,;=~-._", errors="surrogateescape")
    query = urlencode(
        sorted(pair for pair in parse_qsl(parts.query, keep_blank_values=True) if not _is_tracking(pair[0]))
    )
    # http and https are the same article.
    return urlunsplit(("https", host + port, path.rstrip("/") or "/", query, ""))


def _is_tracking(name: str) -> bool:
    return name.lower() in _TRACKING or name.lower().startswith(_TRACKING_PREFIXES)
