"""The small picture beside a story or a block."""

from urllib.parse import urlsplit

from flask import Blueprint

from newsletter.articles import pictures
from newsletter.articles.models import Article
from newsletter.issues.models import IssueBlock

blueprint = Blueprint("desk_pictures", __name__)


@blueprint.app_template_filter("desk_picture")
def small(shown: Article | IssueBlock) -> tuple[str, int, int] | None:
    """Path, width and height of its small picture, or None."""
    found = pictures.address(shown.picture, "small")
    # A path: under the policy's 'self' wherever the desk was opened, also where that is not the base URL.
    return (urlsplit(found[0]).path, found[1], found[2]) if found else None
