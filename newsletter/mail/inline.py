"""Styles from a mail's head written onto its elements, for programs that drop the head."""

import css_inline

# What cannot stand on an element (@media, :hover) stays in the head; nothing is ever loaded.
_INLINER = css_inline.CSSInliner(
    keep_style_tags=False, keep_at_rules=True, remove_inlined_selectors=True, load_remote_stylesheets=False
)


def inline(html: str) -> str:
    """The same document with its CSS inlined."""
    return _INLINER.inline(html)
