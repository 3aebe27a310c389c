"""A pressed mail is the ordinary one, whoever reads it: held against the MIME builder's by two unrelated parsers."""

import dataclasses
import html
import re
from datetime import UTC, datetime
from email import message_from_bytes, policy

import fast_mail_parser
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsletter import errors
from newsletter.mail import digest, links, mime, press, slots
from newsletter.mail.press import Plate, Press
from tests.mail.conftest import outgoing, view
from tests.mail.test_wire import HEADERS, assert_legal, names

AT = datetime(2026, 11, 26, 6, 0, 0, 250_000, tzinfo=UTC)
ATOM = st.text("abcXYZ019!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=30)
LOCAL = (
    st.lists(ATOM, min_size=1, max_size=3).map(".".join).filter(lambda local: len(local) <= 64 and "=?" not in local)
)
DOMAIN = st.sampled_from(["x.example", "bücher.example", ".".join(["d" * 40] * 4) + ".example"])
ADDRESS = st.builds("{}@{}".format, LOCAL, DOMAIN)
TOKEN = st.text("abcXYZ019._~-", min_size=1, max_size=200)
# What may stand around a slot: words, long lines, and all that is special at a line's end or beginning.
PIECE = st.one_of(
    st.just(slots.TOKEN),
    st.just(slots.ADDRESS),
    st.sampled_from(["\n", ".", " ", "\t", "=", "From ", "..\n.", "--=_", "é", "&amp;", "\r\n"]),
    st.integers(60, 160).map("x".__mul__),
    st.integers(20, 40).map("ü".__mul__),
    st.text(st.characters(codec="utf-8"), max_size=20),
)
CONTENT = st.lists(PIECE, max_size=12).map("".join)
NAME = st.text(st.characters(codec="utf-8"), max_size=60)


def letter(**changes: object) -> mime.Outgoing:
    """A mail with slots; recipient, Message-ID and date are nobody's."""
    return outgoing(
        **{
            "recipient": "",
            "message_id": "",
            "unsubscribe_url": links.unsubscribe(slots.TOKEN),
            "unsubscribe_mailto": links.unsubscribe_mailto("unsubscribe@magazine.example", slots.TOKEN),
            **changes,
        }
    )


def ordinary(given: mime.Outgoing, address: str, token: str) -> bytes:
    """The same mail as the MIME builder makes it for one reader."""
    return mime.build(
        dataclasses.replace(
            given,
            recipient=address,
            message_id="7.3.abc@magazine.example",
            dated_at=AT,
            html=slots.fill(given.html, token=token, address=html.escape(address)),
            text=slots.fill(given.text, token=token, address=address),
            unsubscribe_url=links.unsubscribe(token),
            unsubscribe_mailto=links.unsubscribe_mailto("unsubscribe@magazine.example", token),
        )
    )


def filled(given: mime.Outgoing, address: str = "ana@readers.example", token: str = "t0ken") -> bytes:
    return Press(press.cast(given)).fill(address, "<7.3.abc@magazine.example>", AT, token)


def by_the_library(content: bytes) -> list[object]:
    message = message_from_bytes(content, policy=policy.SMTP)
    assert not message.defects
    return [
        (
            part.get_content_type(),
            [(name, unbound(str(value))) for name, value in part.items()],
            None if part.is_multipart() else part.get_payload(decode=True),
        )
        for part in message.walk()
    ]


def by_another_parser(content: bytes) -> list[object]:
    tree = fast_mail_parser.parse_email_tree(content)
    return [
        (part.content_type, [(name, list(map(unbound, values))) for name, values in part.headers.items()], part.content)
        for part in fast_mail_parser.walk(tree)
    ]


def unbound(value: str) -> str:
    """A header's value without its boundary, which tells two contents apart and the readers of one do not."""
    return re.sub(r'boundary="[^"]*"', "boundary", value)


def assert_fit_for_the_wire(content: bytes) -> None:
    assert_legal(content)
    assert not re.search(rb"^(\.|From )", content, re.M)
    assert names(content) == HEADERS
    assert re.search(rb"^List-Unsubscribe: <https://[^>\s]+>,\r\n <mailto:[^>\s]+>\r$", content, re.M)
    assert b"SLOT" not in content


@settings(max_examples=400, deadline=None)
@given(text=CONTENT, document=CONTENT, subject=NAME, name=NAME, address=ADDRESS, token=TOKEN)
@example(
    text=f"{'x' * 76}{slots.TOKEN}.{slots.ADDRESS}{slots.TOKEN}\n{slots.ADDRESS}\nFrom {slots.TOKEN}",
    document=f"{slots.TOKEN}{'ü' * 12}abcd{slots.ADDRESS}",
    subject=slots.TOKEN,
    name=slots.ADDRESS,
    address="=41&'@x.example",
    token="." * 200,
)
def test_two_parsers_read_a_pressed_mail_as_the_ordinary_one(text, document, subject, name, address, token):
    given_letter = letter(
        text=text,
        html=document,
        # No word of a story or a name acts as a slot.
        subject=slots.absent(subject),
        sender=f"{slots.absent(name)} <news@magazine.example>",
        list_name=slots.absent(name),
    )
    expected, found = ordinary(given_letter, address, token), filled(given_letter, address, token)
    assert by_the_library(found) == by_the_library(expected)
    assert by_another_parser(found) == by_another_parser(expected)
    assert_fit_for_the_wire(found)


@settings(max_examples=25, deadline=None)
@given(address=ADDRESS, token=TOKEN)
def test_a_digest_reaches_a_server_as_it_was_pressed_and_reads_as_rendered(received, address, token):
    mail = digest.render(view())
    given_letter = letter(subject=mail.subject, html=mail.html, text=mail.text)
    found = received(filled(given_letter, address, token))
    assert found == filled(given_letter, address, token)
    assert by_another_parser(found) == by_another_parser(ordinary(given_letter, address, token))
    personal = mail.for_reader(token=token, address=address)
    _, text, document = message_from_bytes(found).walk()
    assert text.get_payload(decode=True).decode() == personal.text.replace("\n", "\r\n")
    assert document.get_payload(decode=True).decode() == personal.html.replace("\n", "\r\n")


def test_two_readers_mails_differ_in_their_own_lines_only():
    mail = digest.render(view())
    plate = Press(press.cast(letter(subject=mail.subject, html=mail.html, text=mail.text)))
    one, other = (
        plate.fill(f"{who}@readers.example", f"{who}@magazine.example", AT, who).split(b"\r\n") for who in ("ana", "bo")
    )
    differing = {pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]}
    assert {each[0].rstrip(b"=") for each in differing} >= {b"ana", b"ana@readers.example", b"To: ana@readers.example"}
    assert all(left.replace(b"ana", b"bo") == right for left, right in differing)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("address", {"address": "ana@x.example>\r\nBcc: evil@evil.example"}),
        ("address", {"address": "ana@x.example, bo@x.example"}),
        ("address", {"address": "jü\u2028rgen@x.example"}),
        ("address", {"address": "Ana <ana@x.example>"}),
        ("address", {"address": "=?utf-8?q?=0ABcc=3A?=@x.example"}),
        ("Message-ID", {"message_id": "a@b\r\nBcc: evil@evil.example"}),
        ("token", {"token": "a b"}),
        ("token", {"token": "a>\r\nBcc: x"}),
        ("token", {"token": "t" * 201}),
        ("token", {"token": ""}),
    ],
)
def test_nothing_of_a_readers_adds_a_header(field, changes):
    values = {"address": "ana@x.example", "message_id": "a@b.example", "dated_at": AT, "token": "t", **changes}
    with pytest.raises(errors.BadInput) as caught:
        Press(press.cast(letter())).fill(**values)
    assert caught.value.field == field


def test_a_plate_is_cast_the_same_every_time_and_a_changed_one_is_refused():
    plate = press.cast(letter())
    assert press.cast(letter()) == plate
    for changed in (
        Plate(plate.packed, "0" * 64),
        Plate(press.cast(letter(text="Other")).packed, plate.digest),
        Plate(plate.packed[:-1], plate.digest),
        Plate(b"", plate.digest),
    ):
        with pytest.raises(errors.Damaged):
            Press(changed)


def test_a_mail_whose_unsubscribe_address_leaves_no_room_for_a_token_is_not_pressed():
    url = f"https://{'long.' * 170}example/unsubscribe/{slots.TOKEN}"
    with pytest.raises(errors.BadInput, match="too long"):
        press.cast(letter(unsubscribe_url=url))
