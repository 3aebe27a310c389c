"""Addresses as they stand in From, Reply-To and To."""

import re
from email.headerregistry import Address

import idna

from newsletter import errors
from newsletter.mail import headers

_LONGEST = 254  # RFC 5321 4.5.3.1.3, less the angle brackets
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
_PLAIN = re.compile(rf"{headers.DOT_ATOM.pattern}@{_DOMAIN.pattern}")
# RFC 6531 3.3: an atom may hold any character outside ASCII; of those, headers.clean has taken what ends a line.
_INTERNATIONAL_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\U0010ffff-]+"
_INTERNATIONAL = re.compile(rf"{_INTERNATIONAL_ATOM}(\.{_INTERNATIONAL_ATOM})*")
_NAMED = re.compile(r"(?P<name>.*?)\s*<(?P<spec>[^<>]*)>")


def parse(text: str) -> Address:
    """ "Name <address>" or an address alone, its domain in A-labels; raises BadInput for anything else.

    All before the last "<" is the name: a comma in it never makes a second address.
    """
    text = headers.clean(text)
    named = _NAMED.fullmatch(text)
    name, spec = (named["name"], named["spec"]) if named else ("", text)
    try:
        local, _, domain = spec.strip().rpartition("@")
        address = Address(display_name=_unquoted(name), username=local, domain=_a_labels(domain))
        if not headers.DOT_ATOM.fullmatch(local) or not _DOMAIN.fullmatch(address.domain):
            raise ValueError
    except (ValueError, IndexError, idna.IDNAError):
        raise errors.BadInput(
            f"{spec or text!r} is not an e-mail address mail can be sent to.", field="address"
        ) from None
    return address


def recipient(text: str) -> str:
    """An address alone as it stands in To, its domain in A-labels; raises BadInput like `parse`.

    Unlike there the local part may hold letters outside ASCII: see `needs_smtputf8`.
    """
    # "=?" begins an encoded-word, which headers.clean lets no header hold.
    if _PLAIN.fullmatch(text) and len(text) <= _LONGEST and "=?" not in text:
        return text
    local, _, domain = text.rpartition("@")
    pattern = headers.DOT_ATOM if local.isascii() else _INTERNATIONAL
    is_one_word = text.split() == [text] == [headers.clean(text)]
    try:
        domain = _a_labels(domain)
        if not (is_one_word and pattern.fullmatch(local) and _DOMAIN.fullmatch(domain) and len(text) <= _LONGEST):
            raise ValueError
    except (ValueError, idna.IDNAError):
        raise errors.BadInput(f"{text!r} is not an e-mail address mail can be sent to.", field="address") from None
    return f"{local}@{domain}"


def needs_smtputf8(text: str) -> bool:
    """Whether only a server that offers SMTPUTF8 (RFC 6531) takes mail to this address."""
    return not text.isascii() and not text.rpartition("@")[0].isascii()


def domain_of(sender: str) -> str:
    """The domain of "Name <address>", in A-labels and lower case: that of Message-ID and List-Id."""
    return parse(sender).domain


def spec_of(sender: str) -> str:
    """The address alone of "Name <address>": what the envelope takes."""
    return parse(sender).addr_spec


def words(address: Address) -> list[str]:
    """The address as words of a header: the name quoted or encoded, so that it stays one address."""
    spec = f"<{address.addr_spec}>"
    return [*headers.phrase(address.display_name).split(" "), spec] if address.display_name else [address.addr_spec]


def _unquoted(name: str) -> str:
    if len(name) > 1 and name[0] == name[-1] == '"':
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return name


def _a_labels(domain: str) -> str:
    # Address literals and names that are A-labels already pass as they are.
    return domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
