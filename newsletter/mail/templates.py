"""From a mail's template and its values to subject, HTML and text."""

import functools
import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import jinja2
from markupsafe import Markup

from newsletter import settings
from newsletter.languages import speech
from newsletter.mail import inline, links, plaintext, prose, slots, words
from newsletter.publication import look


@dataclass(frozen=True)
class Rendered:
    """A mail as its reader sees it."""

    subject: str
    html: str
    text: str

    def for_reader(self, *, token: str, address: str) -> "Rendered":
        """The mail of one reader: every slot filled, the address escaped where it stands in HTML."""
        return Rendered(
            subject=self.subject,
            html=slots.fill(self.html, token=token, address=html.escape(address)),
            text=slots.fill(self.text, token=token, address=address),
        )


def render(name: str, context: Mapping[str, Any]) -> Rendered:
    """The mail templates/mail/<name> of `context`, which holds at least `look` (looks.Look) and `language`.

    A value the template asks for and does not get raises jinja2.UndefinedError: nothing half-filled is sent.
    """
    subject, text, body = (
        fragment(f"mail/{name}/{part}", context) for part in ("subject.txt", "body.txt", "body.html")
    )
    return Rendered(subject=" ".join(subject.split()), html=inline.inline(body), text=text.strip() + "\n")


def fragment(path: str, context: Mapping[str, Any]) -> str:
    """One file below templates/ rendered; HTML is escaped by its name."""
    return _environment(context["language"]).get_template(path).render({**context, **_palette(context)})


@functools.lru_cache(maxsize=32)
def _environment(language: str) -> jinja2.Environment:
    """One for each language: a template's sentences are looked up as it is rendered."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(settings.ROOT / "templates"),
        # Off in .txt, where nothing is to be escaped; what is printed there is cleaned all the same.
        autoescape=jinja2.select_autoescape(enabled_extensions=("html",), default=False),
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.i18n"],
    )
    catalogue, install = speech.translations(language), cast("Any", environment)
    install.install_gettext_callables(catalogue.ugettext, catalogue.ungettext, newstyle=True)
    environment.globals.update(links=links, slots=slots, words=words)
    environment.filters.update(
        wrap=plaintext.wrap,
        paragraphs=plaintext.paragraphs,
        attribute=plaintext.attribute,
        markdown=prose.to_html,
        markdown_text=prose.to_text,
        safe_url=links.safe,
    )
    return environment


def _printable(value: Any) -> Any:
    return plaintext.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _palette(context: Mapping[str, Any]) -> dict[str, Any]:
    """Colours and faces as literals: mails know no custom properties."""
    chosen = context["look"]
    light, dark = look.accents(chosen.accent)
    headline, body = look.FONTS[chosen.fonts]
    return {
        "direction": words.direction(context["language"]),
        "day": {**look.LIGHT, "accent": light, "on_accent": look.on(light)},
        "night": {**look.DARK, "accent": dark, "on_accent": look.on(dark)},
        "type": look.TYPE,
        # Double quotes would end the style attribute these are inlined into.
        "headline_font": headline.replace('"', "'"),
        "body_font": body.replace('"', "'"),
    }
