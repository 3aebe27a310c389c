"""Every sentence a reader may be told, gathered from templates and code into a language's catalogue."""

import ast
from collections.abc import Iterator
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages import extract, pofile
from babel.messages.catalog import Catalog
from jinja2.ext import babel_extract

from newsletter import errors, settings
from newsletter.languages import speech

_PAGES = ("public/*.html", "mail/*/*.html", "mail/*/*.txt", "mail/*.html", "mail/*.txt")
# The desk and the sample magazine speak English.
_NOT_FOR_READERS = ("public/sample.html", "mail/notice", "mail/setup")
_SAID = {"say": None, "say_many": (1, 2), "later": None, "_": None}
_REFUSALS = {"BadInput": None, "NotFound": None, "Refused": None, "ExpiredToken": None}
_ERRORS = {"NewsletterError", "BadInput", "NotFound", "Conflict", "Refused", "BadToken", "ExpiredToken", "LinkLapsed"}
# The rooms and doors whose refusals a reader may see.
_SEEN_BY_READERS = (
    "newsletter/web/public",
    "newsletter/issues/archive.py",
    *(
        f"newsletter/audience/{name}.py"
        for name in ("addresses", "consent", "fresh_links", "moving", "preferences", "returning", "signup", "wishes")
    ),
)


def sentences() -> Catalog:
    """All of them, none translated."""
    found = Catalog(fuzzy=False)
    for path, message in (*_of_templates(), *_of_code()):
        found.add(message, locations=[(str(path.relative_to(settings.ROOT)), 0)])
    return found


def update(code: str) -> Catalog:
    """Write the catalogue of a language: what is said now, with the translations it had. Raises BadInput."""
    try:
        locale = Locale.parse(code)
    except (UnknownLocaleError, ValueError):
        raise errors.BadInput(f"{code!r} is not a language. Write it like de or pt_BR.", field="code") from None
    if str(locale) == speech.OWN:
        raise errors.BadInput("English is what the sentences are written in.", field="code")
    path = speech.CATALOGUES / f"{locale}.po"
    catalogue = _read(path, str(locale))
    catalogue.update(sentences(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    with path.open("wb") as file:
        pofile.write_po(file, catalogue, width=120, sort_output=True, omit_header=False, include_lineno=False)
    return catalogue


def untranslated(code: str) -> list[str]:
    """What is said in English in a language still."""
    catalogue = _read(speech.CATALOGUES / f"{code}.po", code)
    missing = []
    for message in sentences():
        if message.id:
            known = catalogue.get(message.id if isinstance(message.id, str) else message.id[0])
            said = known.string if known else ""
            if known is None or known.fuzzy or not (all(said) if isinstance(said, tuple) else said):
                missing.append(str(message.id))
    return missing


def _read(path: Path, code: str) -> Catalog:
    if not path.exists():
        return _named(Catalog(locale=code, fuzzy=False))
    with path.open("rb") as file:
        return _named(pofile.read_po(file, locale=code))


def _named(catalogue: Catalog) -> Catalog:
    catalogue.header_comment = "# What readers are told, for `flask newsletter language add` to bring up to date."
    catalogue.project, catalogue.version, catalogue.fuzzy = "Newsletter", "1", False
    catalogue.msgid_bugs_address = catalogue.last_translator = catalogue.language_team = ""
    return catalogue


def _of_templates() -> Iterator[tuple[Path, str | tuple[str, ...]]]:
    folder = settings.ROOT / "templates"
    for path in sorted({path for pattern in _PAGES for path in folder.glob(pattern)}):
        if not str(path.relative_to(folder)).startswith(_NOT_FOR_READERS):
            with path.open("rb") as file:
                for _line, _function, message, _comments in babel_extract(file, ("_", "gettext", "ngettext"), [], {}):
                    yield path, _plain(message)


def _of_code() -> Iterator[tuple[Path, str | tuple[str, ...]]]:
    for path in sorted((settings.ROOT / "newsletter").rglob("*.py")):
        name = str(path.relative_to(settings.ROOT))
        if name.startswith(("newsletter/web/admin", "newsletter/languages", "newsletter/cli")):
            continue
        refusals = _REFUSALS if name.startswith(_SEEN_BY_READERS) else {}
        with path.open("rb") as file:
            for found in extract.extract("python", file, {**_SAID, **refusals}):
                yield path, _plain(found[1])
        if refusals or name == "newsletter/errors.py":
            yield from ((path, words) for words in _of_classes(path))


def _of_classes(path: Path) -> Iterator[str]:
    """An error's docstring is its default sentence."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef) and node.name in _ERRORS:
            yield ast.get_docstring(node) or ""


def _plain(message: object) -> str | tuple[str, ...]:
    if not isinstance(message, (tuple, list)):
        return str(message)
    forms = tuple(str(each) for each in message if each)
    return forms if len(forms) > 1 else forms[0]
