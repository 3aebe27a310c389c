"""The two places in a rendered mail that differ from reader to reader, written as words that survive every encoding."""

from newsletter.mail import plaintext

# Letters and digits alone pass unchanged through autoescape, URL building, CSS inlining and quoted-printable.
TOKEN = "SLOTqTOKENq7f3a9cSLOT"  # noqa: S105, a place for one
# As long as most addresses are, so that lines wrapped around it stay as wide as meant.
ADDRESS = "SLOTqADDRESSq7f3a9cqqqqqqqqqSLOT"


def fill(text: str, *, token: str, address: str) -> str:
    """`text` for one reader. Into HTML goes an escaped address: see templates.Rendered.for_reader."""
    return text.replace(TOKEN, token).replace(ADDRESS, address)


def absent(text: str) -> str:
    """`text` from outside, cleaned and unable to act as a slot: a story must not carry its reader's token away."""
    text = plaintext.clean(text)
    # The replacement is no part of a slot, so none can come together from what is left.
    return text.replace(TOKEN, "\N{REPLACEMENT CHARACTER}").replace(ADDRESS, "\N{REPLACEMENT CHARACTER}")
