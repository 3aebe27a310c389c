"""The audit log as a table for spreadsheets."""

import json
from collections.abc import Iterator

from newsletter import spreadsheet
from newsletter.staff import audit

_COLUMNS = ("number", "at", "who", "what", "subject", "before", "after")


def lines(search: audit.Search) -> Iterator[str]:
    """The sheet, a line at a time: a header, then every entry that fits the search, newest first; times in UTC."""
    yield spreadsheet.START + spreadsheet.line(_COLUMNS)
    for entry in audit.every(search):
        before, after = (json.dumps(each, ensure_ascii=False) if each else "" for each in (entry.before, entry.after))
        yield spreadsheet.line(
            (entry.id, entry.at.isoformat(), entry.actor, entry.action, entry.subject, before, after)
        )
