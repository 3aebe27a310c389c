"""Network addresses and browsers made short, as they are kept when their whole form is forgotten."""

import ipaddress
import re

# The order decides: Edge and Opera also call themselves Chrome, and Chrome calls itself Safari.
_BROWSERS = ("Edg", "OPR", "SamsungBrowser", "Firefox", "Chrome", "Safari")
_NAMES = {"Edg": "Edge", "OPR": "Opera", "SamsungBrowser": "Samsung Internet"}
_SYSTEMS = ("Windows", "iPhone", "iPad", "Android", "Mac OS X", "Linux")


def network(address: str) -> str:
    """The /24 or /48 of a network address, which a household or an office shares with others; "" for none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 48), strict=False))


def browser(agent: str) -> str:
    """ "Firefox, Linux": what a User-Agent says without versions; the program's own name where it is no browser."""
    name = next((each for each in _BROWSERS if f"{each}/" in agent), "")
    system = next((each for each in _SYSTEMS if each in agent), "")
    if name:
        return ", ".join(part for part in (_NAMES.get(name, name), system) if part)
    # Letters alone: whatever else a program writes there may say who runs it.
    first = re.match(r"[A-Za-z]{1,30}(?=[/ ]|$)", agent)
    return first[0] if first else ""
