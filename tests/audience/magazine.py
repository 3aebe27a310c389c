"""A small magazine to sign up to, and the presses a reader makes."""

from newsletter import db
from newsletter.audience import signup
from newsletter.audience.consent import Origin
from newsletter.audience.models import SignupRequest
from newsletter.audience.signup import Ask
from newsletter.outbox.models import Message
from newsletter.publication import legal, newsletters, topics
from newsletter.publication.newsletters import Calendar, Plan

FORM = Origin(channel="form", page="/subscribe", source_address="192.0.2.7", agent="Browser")
LINK = Origin(channel="link", page="/confirm", source_address="198.51.100.7", agent="Browser")


def found() -> None:
    """Texts, four topics, and newsletters that come daily (the default), weekly, by hand, and in private."""
    legal.publish_placeholders()
    for slug in ("music", "fashion", "art", "footwear"):
        topics.add(slug, slug.title())
    week = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    newsletters.save("daily", Plan("The Daily", ["music", "fashion", "footwear"], Calendar(week, "07:00")))
    newsletters.save("weekly", Plan("The Weekly", ["music", "art"], Calendar(("fri",), "17:00")))
    newsletters.save("breaking", Plan("Breaking", ["music"]))
    newsletters.save("staff", Plan("Staff only", ["music"], is_public=False))
    db.session.commit()


def ask(email: str = "ana@readers.example", **values) -> None:
    """Press the sign-up button."""
    signup.request_subscription(Ask(**{"email": email, "origin": FORM, "terms": True, **values}))
    db.session.commit()


def confirm() -> signup.Confirmed:
    """Press the button of the newest confirmation mail."""
    confirmed = signup.confirm(newest_token(), LINK)
    db.session.commit()
    return confirmed


def newest_token() -> str:
    request = db.session.query(SignupRequest).order_by(SignupRequest.id.desc()).first()
    return signup.token(request)


def mails() -> list[Message]:
    return db.session.query(Message).order_by(Message.id).all()
