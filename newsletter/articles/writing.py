"""An article written by hand: an editor's words, topics and picture from the first, which no feed overwrites."""

from newsletter import clock, db, errors
from newsletter.articles import correcting, placing, publishing, wording
from newsletter.articles.correcting import FIELDS, Words
from newsletter.articles.models import Article
from newsletter.articles.placing import Place
from newsletter.articles.publishing import Draft, Outcome


def write(words: Words, place: Place, *, author: str = "", language: str = "en") -> Article:
    """Publish an article of these words now; flushed. Raises BadInput with the field's name.

    Its address is the page readers follow it to, and no other article's.
    """
    values = correcting.checked(words)
    if "headline" not in values or "url" not in values:
        raise errors.BadInput("An article needs a headline and an address.", field="headline")
    draft = Draft(
        url=values["url"],
        headline=values["headline"],
        dek=values.get("dek", ""),
        body_html=values.get("body_html", ""),
        author=author,
        published_at=clock.now(),
        language=language,
        picture_alt=values.get("picture_alt", ""),
    )
    published = publishing.publish(draft)
    article = published.article
    # Of one that was there already the caller takes back what this did to it.
    if published.outcome is not Outcome.NEW:
        raise errors.BadInput(f"Article {article.id} has this address already. Change that one.", field="url")
    article.body_markdown = wording.storable(words.body or "")
    placing.put(article, place)
    article.held_fields = sorted({*article.held_fields, *FIELDS})
    db.session.flush()
    return article
