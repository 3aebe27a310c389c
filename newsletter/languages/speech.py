"""The product's own sentences in a reader's language: gettext catalogues, read as they are edited."""

import functools
import io
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages import mofile, pofile
from babel.support import NullTranslations, Translations

# What the sentences in code and templates are written in.
OWN = "en"
CATALOGUES = Path(__file__).parent / "catalogues"


def codes() -> tuple[str, ...]:
    """The languages there are sentences in, English first."""
    return (OWN, *sorted(path.stem for path in CATALOGUES.glob("*.po")))


def say(message: str, language: str, /, **values: object) -> str:
    """A sentence in a language, its %(name)s filled in; in English while it is not translated."""
    said = translations(language).ugettext(message)
    return said % values if values else said


def say_many(one: str, many: str, number: int, language: str, /, **values: object) -> str:
    """Like `say`, in the plural form this number has in the language."""
    return translations(language).ungettext(one, many, number) % {"number": number, **values}


def later(message: str) -> str:
    """Mark a sentence that is said later, in a language not known yet."""
    return message


def translations(language: str) -> NullTranslations:
    """The catalogue of a language, or of the one it is a variety of: "de" for "de-AT"."""
    known = codes()
    wanted = language.replace("-", "_")
    found = next((code for code in (wanted, wanted.partition("_")[0]) if code in known), OWN)
    path = CATALOGUES / f"{found}.po"
    return _read(path, path.stat().st_mtime_ns) if found != OWN else NullTranslations()


def direction(language: str) -> str:
    """ "ltr" or "rtl" """
    return str(locale(language).text_direction)


def own_name(language: str) -> str:
    """What a language calls itself: "Deutsch"."""
    name = locale(language).get_display_name(language.replace("-", "_")) or language
    return name[:1].upper() + name[1:]


def locale(language: str) -> Locale:
    """What Babel knows of a language; English for one it does not know."""
    try:
        return Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return Locale(OWN)


@functools.lru_cache(maxsize=32)
def _read(path: Path, _changed_ns: int) -> Translations:
    """Compiled in memory, so that a changed file is all it takes."""
    with path.open("rb") as file:
        catalogue = pofile.read_po(file, locale=path.stem)
    compiled = io.BytesIO()
    mofile.write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)
