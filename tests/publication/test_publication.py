"""The publication: topics, newsletters, legal texts, look."""

from datetime import date

import pytest

from newsletter import db, errors, settings
from newsletter.publication import legal, look, newsletters, topics
from newsletter.publication.models import LegalKind
from tests.conftest import both_engines

pytestmark = both_engines


def _topics() -> None:
    for slug in ("music", "fashion", "art"):
        topics.add(slug, slug.title())


def test_the_first_newsletter_is_the_default_and_saving_again_changes_it_in_place(room):
    _topics()
    daily = newsletters.save("daily", newsletters.Plan("The Daily", ["music", "fashion"]))
    newsletters.save("weekly", newsletters.Plan("The Weekly", ["art"]))
    calendar = newsletters.Calendar(("mon", "fri"), "07:00", "Europe/Berlin", [date(2026, 12, 25)])
    again = newsletters.save("daily", newsletters.Plan("Daily", ["fashion", "music", "art"], calendar))
    db.session.commit()
    db.session.expire_all()
    assert again.id == daily.id == newsletters.default().id
    assert [topic.slug for topic in daily.topics] == ["fashion", "music", "art"]
    assert (daily.days, daily.at, daily.zone, [day.on for day in daily.holidays]) == (
        ["mon", "fri"],
        "07:00",
        "Europe/Berlin",
        [date(2026, 12, 25)],
    )


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        (newsletters.Plan("", ["music"]), "title"),
        (newsletters.Plan("X", []), "topics"),
        (newsletters.Plan("X", ["opera"]), "topics"),
        (newsletters.Plan("X", ["music"], newsletters.Calendar(("mon",), "")), "at"),
        (newsletters.Plan("X", ["music"], newsletters.Calendar(("mon",), "7:00")), "at"),
        (newsletters.Plan("X", ["music"], newsletters.Calendar(("monday",), "07:00")), "days"),
        (newsletters.Plan("X", ["music"], newsletters.Calendar(("mon",), "07:00", "Berlin")), "zone"),
    ],
)
def test_a_wrong_plan_is_refused_naming_its_field(room, plan, field):
    _topics()
    with pytest.raises(errors.BadInput) as caught:
        newsletters.save("x", plan)
    assert caught.value.field == field


def test_a_new_text_is_a_new_version_and_the_old_one_stays_byte_for_byte(room):
    one = legal.publish(LegalKind.TERMS, title="Terms", markdown="First\r\n")
    assert legal.publish(LegalKind.TERMS, title="Terms", markdown="First\r\n") is one
    two = legal.publish(LegalKind.TERMS, title="Terms", markdown="Second")
    assert (one.version, two.version) == (1, 2)
    assert legal.version(LegalKind.TERMS, 1).markdown == "First\r\n"
    with pytest.raises(errors.NotFound):
        legal.version(LegalKind.TERMS, 3)


def test_in_production_sign_up_opens_with_the_magazines_own_texts_only(room, configured):
    assert not legal.is_open()
    legal.publish_placeholders()
    assert legal.is_open()
    settings.use(
        settings.load(
            {
                "NEWSLETTER_BASE_URL": "https://news.magazine.example",
                "NEWSLETTER_SECRET_KEY": "k" * 32,
                "NEWSLETTER_DATABASE_URL": configured.database_url,
                "NEWSLETTER_SMTP_URL": "smtps://relay.example",
                "NEWSLETTER_SENDER": "a@magazine.example",
                "NEWSLETTER_POSTAL_ADDRESS": "1 Street",
            }
        )
    )
    assert not legal.is_open()
    for kind in LegalKind:
        legal.publish(kind, title="Ours", markdown="Our own.")
    assert legal.is_open()


@pytest.mark.parametrize("accent", ["#ffffff", "#000000", "#ffd400", "#b3261e", "#2244cc"])
def test_any_accent_becomes_readable_on_light_and_dark_paper(database_url, accent):
    light, dark = look.accents(accent)
    assert look.contrast(light, look.LIGHT["wash"]) >= look.CONTRAST
    assert look.contrast(dark, look.DARK["wash"]) >= look.CONTRAST
    assert look.contrast(look.on(light), light) >= look.CONTRAST
