"""What a mail address is here: which are accepted, which are the same person's, how one is shown."""

import functools
from dataclasses import dataclass

import email_validator

from newsletter import errors, settings

# Large providers whose names are often mistyped; a near miss of one is asked about, never refused.
_PROVIDERS = (
    "gmail.com",
    "googlemail.com",
    "yahoo.com",
    "hotmail.com",
    "outlook.com",
    "icloud.com",
    "proton.me",
    "protonmail.com",
    "t-online.de",
    "freenet.de",
    "orange.fr",
    "libero.it",
    "comcast.net",
    "verizon.net",
)
# Real providers one letter away from one of the above.
_REAL_NEIGHBOURS = {"mail.com", "ymail.com", "email.com", "fmail.com", "rgmail.com"}


@dataclass(frozen=True)
class Address:
    """One accepted address: for the envelope as typed, and `key`, equal for all spellings of the same mailbox."""

    display: str
    key: str
    domain: str


def parse(text: str) -> Address:
    """The address in a text, its domain as an A-label (RFC 5890); raises BadInput(field="email")."""
    # A longer one is refused by RFC 5321 4.5.3.1.3; cut off first, so that no huge text is normalised.
    if len(text := text.strip()) > 320:
        raise errors.BadInput("This address is too long.", field="email")
    if not text:
        raise errors.BadInput("Please enter your email address.", field="email")
    try:
        found = email_validator.validate_email(
            text,
            check_deliverability=False,
            strict=True,
            allow_smtputf8=False,
            test_environment=settings.current().is_development,  # allows .test (RFC 6761), which no mail can reach
        )
    except email_validator.EmailNotValidError:
        raise errors.BadInput(
            "This does not look like a complete address. It should be like name@example.com.", field="email"
        ) from None
    local, domain = found.local_part, found.ascii_domain.lower()
    return Address(display=f"{local}@{domain}", key=f"{local.lower()}@{domain}", domain=domain)


def suggestion(text: str) -> str:
    """The address that was probably meant when a large provider's name is mistyped by one slip, else ""."""
    local, _, domain = text.strip().lower().rpartition("@")
    if not local or domain in _PROVIDERS or domain in _REAL_NEIGHBOURS:
        return ""
    near = next((provider for provider in _PROVIDERS if _is_one_slip(domain, provider)), "")
    return f"{text.strip().rpartition('@')[0]}@{near}" if near else ""


def masked(address: str) -> str:
    """The address as shown to whoever holds a link, which may have been forwarded: "an•••@example.com"."""
    local, _, domain = address.rpartition("@")
    return f"{local[: 2 if len(local) > 3 else 1]}•••@{domain}"


@functools.lru_cache(maxsize=1024)
def _is_one_slip(typed: str, meant: str) -> bool:
    """Whether one letter was added, left out, replaced or swapped with its neighbour."""
    if abs(len(typed) - len(meant)) > 1 or typed == meant:
        return False
    same = next((at for at, pair in enumerate(zip(typed, meant, strict=False)) if pair[0] != pair[1]), len(meant))
    typed, meant = typed[same:], meant[same:]
    swapped = typed[1::-1] + typed[2:] == meant
    return swapped or typed[1:] == meant or typed == meant[1:] or typed[1:] == meant[1:]
