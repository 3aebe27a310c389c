"""A mail shown within a page of the desk: harmless, with an origin of its own, framed by us alone."""

from flask import Response, make_response

from newsletter import settings


def of_mail(html: str) -> Response:
    """The mail's HTML as the answer a frame asks for: no script, no forms."""
    response = make_response(html)
    response.headers["Content-Security-Policy"] = (
        f"sandbox; default-src 'none'; img-src {settings.current().base_url} 'self' https: data:; "
        "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response
