"""Leaving by mail: a message whose subject says "unsubscribe" and carries a reader's token (RFC 2369 3.2)."""

import re
from email import message_from_bytes, policy
from email.errors import MessageError

from newsletter import errors
from newsletter.audience import consent, reader_links, unsubscribe
from newsletter.audience.unsubscribe import Left

# A subject has one line; what is longer was made to be.
_LONGEST = 2000
_ASKED = re.compile(r"unsubscribe\s+([A-Za-z0-9_.=\s-]+)", re.IGNORECASE)


def read(raw: bytes) -> Left | None:
    """Leave as one RFC 5322 message asks, harmless twice; None where its subject holds no token of ours.

    Whoever sends it: the token alone says who leaves what, as in the address of List-Unsubscribe.
    """
    asked = _ASKED.search(_subject(raw))
    if asked is None:
        return None
    try:
        # A mail program may have folded the long subject, which leaves spaces behind.
        link = reader_links.read(re.sub(r"\s", "", asked[1]))
    except errors.BadToken:
        return None
    return unsubscribe.leave(link, consent.Origin("mail"))


def _subject(raw: bytes) -> str:
    head = re.split(rb"\r?\n\r?\n", raw[:100_000], maxsplit=1)[0]
    try:
        return str(message_from_bytes(head, policy=policy.default).get("Subject", ""))[:_LONGEST]
    except (MessageError, ValueError, LookupError, IndexError, AttributeError):
        # What no parser understands asks for nothing.
        return ""
