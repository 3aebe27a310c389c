"""Where a request came from, as a consent record keeps it."""

from flask import request

from newsletter.audience.consent import Origin


def of_request(channel: str, page: str = "") -> Origin:
    """The origin of this request; without a page, its own path with no token in it."""
    return Origin(
        channel=channel,
        page=page or str(request.url_rule or ""),
        source_address=request.remote_addr or "",
        agent=request.user_agent.string[:300],
    )
