"""The small picture beside a story."""

from urllib.parse import urlsplit

from flask import Blueprint

from newsletter.articles import pictures
from newsletter.articles.models import Article

blueprint = Blueprint("desk_pictures", __name__)


@blueprint.app_template_filter("desk_picture")
def small(article: Article) -> tuple[str, int, int] | None:
    """Path, width and height of an article's small picture, or None."""
    found = pictures.address(article.picture, "small")
    # A path: under the policy's 'self' wherever the desk was opened, also where that is not the base URL.
    return (urlsplit(found[0]).path, found[1], found[2]) if found else None
