"""Commands for the languages readers are spoken to in."""

import click
from flask.cli import AppGroup

from newsletter.cli.answers import Answer, add
from newsletter.languages import gathering, speech


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    language = AppGroup("language", help="The languages of pages and mails.")
    group.add_command(language)
    add(language, "add", add_language, click.argument("code"), bare=True)
    add(language, "list", list_languages, bare=True)


def add_language(*, code: str) -> Answer:
    """Write a language's catalogue of sentences, or bring it up to date; then translate what is empty in it.

    The file is read as soon as it is saved. Readers are spoken to in the language once the terms, the privacy policy
    and the consent sentence are published in it: flask newsletter legal publish --language CODE.
    """
    catalogue = gathering.update(code)
    name = str(catalogue.locale)
    missing, path = gathering.untranslated(name), speech.CATALOGUES / f"{name}.po"
    data = {"language": name, "sentences": len(catalogue), "untranslated": len(missing), "file": str(path)}
    return Answer(data, [f"{path}: {len(catalogue)} sentences, {len(missing)} to translate."])


def list_languages() -> Answer:
    """List the languages, with how many sentences of each are not translated yet."""
    rows = [
        {"language": code, "untranslated": len(gathering.untranslated(code)) if code != speech.OWN else 0}
        for code in speech.codes()
    ]
    return Answer({"languages": rows}, [f"{row['language']:<8} {row['untranslated']} to translate" for row in rows])
