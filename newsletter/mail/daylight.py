"""A mail as a program in the light, or one in the dark, shows it: its own rules for the dark turned on or off."""

import re

_IN_THE_DARK = re.compile(r"@media\s*\(\s*prefers-color-scheme\s*:\s*dark\s*\)")
_SCHEMES = re.compile(r"(color-schemes?\s*:\s*|color-schemes?\" content=\")light dark")


def shown(html: str, *, in_the_dark: bool) -> str:
    """The HTML of a mail so that it looks the same whatever the screen of whoever previews it prefers."""
    html = _IN_THE_DARK.sub("@media all" if in_the_dark else "@media not all", html)
    return _SCHEMES.sub(rf"\g<1>{'dark' if in_the_dark else 'light'}", html)
