"""What a mail takes from the masthead."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from newsletter.languages import speech
from newsletter.mail import links, words
from newsletter.publication import masthead
from newsletter.publication.models import Masthead


@dataclass(frozen=True)
class Look:
    """The magazine's name, look and words; `fonts` names a pairing of publication.look.FONTS."""

    name: str
    tagline: str = ""
    accent: str = "#b3261e"
    fonts: str = "serif"
    labels: Mapping[str, str] = field(default_factory=dict)
    logo_url: str = ""
    # The one the labels are in.
    language: str = "en"

    def label(self, key: str, language: str = "") -> str:
        """The magazine's word for a key of masthead.LABELS; in another language the product's own."""
        own = self.labels.get(key) if language in ("", self.language) else None
        return own or speech.say(masthead.LABELS[key], language or self.language)

    def counters(self, hypes: int | None, comments: int | None, language: str = "") -> str:
        """ "3,952 Hypes · 1 Comment", without what is zero or unknown."""
        language, found = language or self.language, []
        if hypes and hypes > 0:
            own, count = self._own("hypes", hypes, language), words.grouped(hypes, language)
            found.append(own or speech.say_many("%(count)s Hype", "%(count)s Hypes", hypes, language, count=count))
        if comments and comments > 0:
            own, count = self._own("comments", comments, language), words.grouped(comments, language)
            said = speech.say_many("%(count)s Comment", "%(count)s Comments", comments, language, count=count)
            found.append(own or said)
        return " · ".join(found)

    def _own(self, what: str, number: int, language: str) -> str:
        """The number with the magazine's own word for what it counts; empty where it has none in the language."""
        own = self.labels.get(f"{what}_one" if number == 1 else f"{what}_many") if language == self.language else None
        return f"{words.grouped(number, language)} {own}" if own else ""


def of(stored: Masthead) -> Look:
    """The look of a masthead; a plain value, to be frozen with an issue or handed to a worker."""
    return Look(
        name=stored.name,
        tagline=stored.tagline,
        accent=stored.accent,
        fonts=stored.fonts,
        labels={str(key): str(word) for key, word in stored.labels.items()},
        logo_url=links.page(f"/media/{stored.logo_hash}") if stored.logo_hash else "",
        language=stored.language or "en",
    )
