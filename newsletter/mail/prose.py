"""An editor's few lines of Markdown, as HTML and as text: paragraphs, lists, emphasis, links."""

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from newsletter.mail import links, plaintext


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802, markdown-it's hook
        return bool(links.safe(url)) or url.startswith("mailto:")


# No raw HTML, no pictures, no headings: the mail has one outline, and it is the template's.
_MARKDOWN = _Markdown("zero").enable(["list", "emphasis", "link", "autolink", "escape", "entity", "balance_pairs"])


def to_html(markdown: str) -> Markup:
    """Safe HTML: what is no Markdown is escaped, what is no absolute web or mail address is not linked."""
    return Markup(_MARKDOWN.render(plaintext.clean(markdown)))  # noqa: S704, markdown-it escapes, html is off


def to_text(markdown: str) -> str:
    """The same in wrapped lines, a link's address after its words."""
    blocks: list[str] = []
    mark = ""
    for token in _MARKDOWN.parse(plaintext.clean(markdown)):
        if token.type == "list_item_open":
            mark = f"{token.info}{token.markup} " if token.info else f"{token.markup} "
        elif token.type == "inline":
            blocks.append(("\n" if mark else "\n\n") + plaintext.wrap(mark + _inline(token.children or [])))
            mark = ""
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            blocks.append("\n")
    return "".join(blocks).strip()


def _inline(tokens: list[Token]) -> str:
    text, address = "", ""
    for token in tokens:
        if token.type == "link_open":
            address = str(token.attrs["href"])
        elif token.type == "link_close":
            text += "" if text.endswith(address) else f" ({address})"
        else:
            text += "\n" if token.type == "softbreak" else token.content
    return text
