"""Articles from a file: a feed or JSON Feed document, by the same rules as a polled feed."""

import dataclasses
from collections.abc import Sequence

from newsletter.articles import polling, reading
from newsletter.articles.polling import Report
from newsletter.publication import topics as subjects


def import_file(content: bytes, *, topics: Sequence[str] = (), language: str = "en") -> Report:
    """Keep the articles of a document, each with the topics (slugs) given; raises BadInput for no feed or topic."""
    subjects.by_slugs(list(topics))
    document = reading.read(content, language=language)
    report = Report(problems=list(document.problems))
    for draft in document.drafts:
        polling.keep(dataclasses.replace(draft, topics=tuple(topics)), report)
    return report
