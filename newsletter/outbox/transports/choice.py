"""Which transport the settings ask for."""

from pathlib import Path

from newsletter.errors import ConfigurationError
from newsletter.outbox.parcels import Transport
from newsletter.outbox.transports import folder, smtp
from newsletter.settings import Settings


def choose(settings: Settings) -> Transport:
    """SMTP when a URL is set, else in development a folder; raises ConfigurationError."""
    if settings.smtp_url:
        return smtp.from_settings(settings)
    if settings.is_development and settings.mail_folder:
        return folder.Transport(Path(settings.mail_folder))
    raise ConfigurationError("NEWSLETTER_SMTP_URL must be set: it says how mail leaves.")
