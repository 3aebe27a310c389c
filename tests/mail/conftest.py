"""What mail tests may ask for: settings without a database, a digest to change, a server that keeps what it gets."""

import dataclasses
import smtplib
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from newsletter import settings
from newsletter.mail import digest, mime, slots


@pytest.fixture(autouse=True, scope="module")
def _settings() -> None:
    settings.use(
        settings.load(
            {
                "NEWSLETTER_INSTANCE": tempfile.mkdtemp(),
                "NEWSLETTER_ENV": "development",
                "NEWSLETTER_BASE_URL": "https://news.magazine.example",
                "NEWSLETTER_SENDER": "The Magazine <news@magazine.example>",
                "NEWSLETTER_POSTAL_ADDRESS": "1 Example Street, Exampletown",
            }
        )
    )


class _Kept:
    """Keeps the bytes of the last mail."""

    content = b""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.content = envelope.content
        return "250 kept"


class _AnyPort(Controller):
    """Listens on a port the system chose."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture(scope="session")
def received() -> Iterator[Callable[[bytes], bytes]]:
    """The bytes a server without 8BITMIME or SMTPUTF8 got, for the bytes that were sent."""
    kept = _Kept()
    controller = _AnyPort(kept, hostname="127.0.0.1", port=0)
    controller.start()
    with smtplib.SMTP("127.0.0.1", controller.port) as client:

        def send(content: bytes) -> bytes:
            client.sendmail("news@magazine.example", ["reader@readers.example"], content)
            return kept.content

        yield send
    controller.stop()


def outgoing(**changes: object) -> mime.Outgoing:
    """A mail of an issue, with everything a mail can carry."""
    whole = mime.Outgoing(
        sender="The Magazine <news@magazine.example>",
        recipient="reader@readers.example",
        subject="A shoe is taken apart",
        html="<p>Words</p>\n",
        text="Words\n",
        message_id="<214.7.abc@magazine.example>",
        dated_at=datetime(2026, 11, 26, 6, 0, tzinfo=UTC),
        list_id="daily.magazine.example",
        list_name="The Daily",
        unsubscribe_url="https://news.magazine.example/unsubscribe/token",
        unsubscribe_mailto="mailto:news@magazine.example?subject=unsubscribe%20token",
        is_automatic=True,
        feedback_id="issue214:daily:digest:magazine",
        reply_to="Letters <letters@magazine.example>",
    )
    return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]


def story(number: int = 1, **changes: object) -> digest.Story:
    """A story with everything a story can show."""
    whole = digest.Story(
        topic="Music",
        headline=f"Four strings, no song: part {number}",
        dek="He has sold none of them.",
        url=f"https://magazine.example/{number}?a=1&b=2",
        hypes=3952,
        comments=1,
        picture=digest.Image(f"https://news.magazine.example/media/{number}.jpg", 240, 160),
    )
    return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]


def view(**changes: object) -> digest.Digest:
    """A digest with a lead, two sections and something to read next."""
    whole = digest.Digest(
        masthead=digest.Look("The Magazine"),
        newsletter_title="The Daily",
        number=214,
        dated_on="Thursday 26 November 2026",
        language="en",
        subject="A shoe is taken apart",
        preheader="Also today: four strings",
        intro="",
        lead=story(
            0,
            topic="Footwear",
            headline="A shoe is taken apart",
            picture=digest.Image("https://x.example/l.jpg", 1200, 800),
        ),
        sections=(
            digest.Section("Fashion", (story(1), story(2))),
            digest.Section("Music", (story(3),), 7, "https://news.magazine.example/archive/daily/214#music", "music"),
        ),
        read_next=(story(4, topic="Art"),),
        web_url="https://news.magazine.example/archive/daily/214",
        why=f"You get this mail because {slots.ADDRESS} is subscribed to The Daily.",
        postal_address="1 Example Street, Exampletown",
    )
    return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]
