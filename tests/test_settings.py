"""Settings: read from the environment, wrong ones refused in one sentence."""

from dataclasses import fields
from datetime import timedelta

import pytest

from newsletter import errors, settings

PRODUCTION = {
    "NEWSLETTER_BASE_URL": "https://news.magazine.example",
    "NEWSLETTER_SECRET_KEY": "k" * 32,
    "NEWSLETTER_DATABASE_URL": "postgresql+psycopg://newsletter@127.0.0.1/newsletter",
    "NEWSLETTER_SMTP_URL": "smtps://user:secret@relay.example",
    "NEWSLETTER_SENDER": "The Magazine <news@magazine.example>",
    "NEWSLETTER_POSTAL_ADDRESS": "1 Example Street",
}


def test_development_needs_nothing_and_keeps_its_own_secret(tmp_path):
    first = settings.load({"NEWSLETTER_INSTANCE": str(tmp_path)})
    again = settings.load({"NEWSLETTER_INSTANCE": str(tmp_path), "PORT": "8123"})
    assert first.is_development
    assert first.secret_key == again.secret_key
    assert len(first.secret_key) == 64
    assert again.base_url == "http://127.0.0.1:8123"


@pytest.mark.parametrize("missing", [name for name in PRODUCTION if name != "NEWSLETTER_BASE_URL"])
def test_production_refuses_to_start_without_what_it_needs(missing):
    assert not settings.load(PRODUCTION).is_development
    with pytest.raises(errors.ConfigurationError, match=missing):
        settings.load({name: value for name, value in PRODUCTION.items() if name != missing})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NEWSLETTER_PORT", "eight"),
        ("NEWSLETTER_PORT", "70000"),
        ("NEWSLETTER_ENV", "staging"),
        ("NEWSLETTER_BASE_URL", "news.magazine.example"),
        ("NEWSLETTER_SECRET_KEY", "short"),
        ("NEWSLETTER_SMTP_URL", "http://relay"),
        ("NEWSLETTER_SMTP_URL", "smtp://relay.example:25"),
        ("NEWSLETTER_DATABASE_URL", "mysql://x"),
        ("NEWSLETTER_ENGINE", "celery"),
        ("NEWSLETTER_ENGINE", "procrastinate"),
        ("NEWSLETTER_FEED_INTERVAL", "soon"),
        ("NEWSLETTER_TRUSTED_PROXIES", "10.0.0.0/99"),
        ("NEWSLETTER_DEMO", "perhaps"),
        ("NEWSLETTER_DOMAIN_RATES", "gmail.com"),
        ("NEWSLETTER_DOMAIN_RATES", "gmail.com=20,=5"),
        ("NEWSLETTER_DOMAIN_RATES", "gmail.com=0"),
        ("NEWSLETTER_RELAY_RATE", "-1"),
        ("NEWSLETTER_EMBED_SITES", "magazine.example"),
        ("NEWSLETTER_EMBED_SITES", "https://magazine.example; script-src *"),
    ],
)
def test_a_wrong_value_is_refused_naming_its_variable(tmp_path, name, value):
    with pytest.raises(errors.ConfigurationError, match=name):
        settings.load({"NEWSLETTER_INSTANCE": str(tmp_path), name: value})


def test_a_password_is_never_sent_in_the_clear():
    with pytest.raises(errors.ConfigurationError, match="only sent over TLS"):
        settings.load(PRODUCTION | {"NEWSLETTER_SMTP_URL": "smtp://user:secret@relay.example:25?tls=none"})


def test_every_setting_can_be_set_and_says_what_it_is_for(tmp_path):
    for row in fields(settings.Settings):
        assert len(row.metadata["doc"]) > 15, row.name
    loaded = settings.load({"NEWSLETTER_INSTANCE": str(tmp_path), "NEWSLETTER_FEED_INTERVAL": "60"})
    assert loaded.feed_interval == timedelta(minutes=1)
