"""The one token in a reader's mails: by it a reader leaves, pauses and changes topics, and nothing else."""

from dataclasses import dataclass

from newsletter import errors, signing

_PURPOSE = "reader"


@dataclass(frozen=True)
class ReaderLink:
    """Whose link it is, and which newsletter's mail it stood in."""

    subscriber_id: int
    newsletter_id: int


def token(link: ReaderLink) -> str:
    """The token of a link: no expiry, the same every time, so that every attempt sends the same bytes."""
    return signing.sign_numbers(_PURPOSE, (link.subscriber_id, link.newsletter_id))


def read(token: str) -> ReaderLink:
    """The link of a token; raises errors.BadToken."""
    match signing.read_numbers(_PURPOSE, token):
        case [subscriber_id, newsletter_id]:
            return ReaderLink(subscriber_id, newsletter_id)
    raise errors.BadToken
