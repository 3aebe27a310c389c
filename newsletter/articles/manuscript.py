"""An article's text as an editor writes it, in Markdown, made the HTML an article has."""

from markdown_it import MarkdownIt

from newsletter.articles import wording

# What wording.body lets pass; raw HTML is shown as it was typed.
_MARKDOWN = MarkdownIt("commonmark", {"html": False})


def to_html(markdown: str, *, base: str = "") -> str:
    """Clean HTML; relative links are completed by `base`."""
    return wording.body(_MARKDOWN.render(wording.storable(markdown)), base=base)
