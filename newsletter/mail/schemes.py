"""A mail as programs in light or in dark colours show it, whatever colours the program has that looks at it."""

import re

SCHEMES = ("light", "dark")
_MEDIA = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)")
_SAID = re.compile(r'(color-schemes?(?:" content="|: ))light dark(?=[";])')


def in_scheme(html: str, scheme: str) -> str:
    """The mail with its rules for this scheme always in force, and those for the other never."""
    # (width >= 0px) is true everywhere; "not all" within a list of conditions is no condition.
    html = _MEDIA.sub(lambda found: "(width >= 0px)" if found[1] == scheme else "(width < 0px)", html)
    return _SAID.sub(lambda found: found[1] + scheme, html)
