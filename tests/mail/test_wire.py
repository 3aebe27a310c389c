"""What leaves, judged on the finished bytes and on those a receiving server got."""

import re
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage, Message

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter import errors
from newsletter.mail import addresses, headers, mime, plaintext
from tests.mail.conftest import outgoing

HEADERS = [
    "Date", "From", "To", "Reply-To", "Subject", "Message-ID", "List-Id", "List-Unsubscribe",
    "List-Unsubscribe-Post", "Feedback-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
]  # fmt: skip
OWN_REQUEST = ["Date", "From", "To", "Subject", "Message-ID", "MIME-Version", "Content-Type"]
# A header by way of an encoded-word (CVE-2024-6923), and by every line end a program may believe in.
ATTACKS = [
    "=?utf-8?q?a=0D=0ABcc=3A_evil=40evil.example?=",
    "==?utf-8?q?=0ABcc=3A_evil=40evil.example?=",
    "=\x00?utf-8?q?=0ABcc=3A_evil=40evil.example?=",
    "a\r\nBcc: evil@evil.example",
    "a\nBcc: evil@evil.example\n\nbody",
    "a\rBcc: evil@evil.example",
    "a\x85Bcc: evil@evil.example\u2028X: y\u2029Z: w",
    "a\x00\x07\x1b[31m\x7f\x9b b",
    "\udcff lone surrogate",
    '"quoted" \\ <angle> (comment), comma; semicolon:',
]
UNICODE = st.text(st.characters(codec="utf-8"), max_size=200)


def test_a_server_gets_the_bytes_that_were_built_and_each_header_once(received):
    built = mime.build(outgoing())
    assert received(built) == built
    assert names(built) == HEADERS


def test_the_same_mail_is_the_same_bytes_and_its_boundary_tells_the_content_not_the_reader():
    assert mime.build(outgoing()) == mime.build(outgoing())
    one, other, another = (
        parsed(mime.build(outgoing(**changes))).get_boundary()
        for changes in ({}, {"recipient": "b@x.example", "message_id": "b@x.example"}, {"text": "Other words\n"})
    )
    assert one == other != another


def test_a_mail_about_ones_own_request_has_no_list_headers():
    built = mime.build(
        mime.Outgoing(
            sender="The Magazine <news@magazine.example>",
            recipient="reader@readers.example",
            subject="Confirm your subscription",
            html="<p>x</p>",
            text="x",
            message_id="c.1@magazine.example",
            dated_at=outgoing().dated_at,
        )
    )
    assert names(built) == OWN_REQUEST


@pytest.mark.parametrize("length", [10, 78, 200, 900])
def test_one_click_survives_a_long_address(received, length):
    url = "https://news.magazine.example/unsubscribe/" + "t" * length
    head = received(mime.build(outgoing(unsubscribe_url=url))).split(b"\r\n\r\n")[0]
    assert re.search(rb"^List-Unsubscribe: <(https://[^>\s]+)>,\r\n <mailto:[^>\s]+>\r$", head, re.M)[1] == url.encode()
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in head
    for line in re.split(rb"\r\n(?![ \t])", head):
        if line.startswith((b"List-", b"Feedback-ID", b"Message-ID", b"Auto-Submitted")):
            assert b"=?" not in line


@pytest.mark.parametrize("text", ATTACKS)
def test_no_title_or_name_adds_a_header(received, text):
    changes = {"subject": text, "list_name": text, "sender": f"{text} <news@magazine.example>"}
    changes["reply_to"] = f"{text} <letters@magazine.example>"
    got = received(mime.build(outgoing(html=f"<p>{text}</p>", text=text, **changes)))
    assert names(got) == HEADERS
    message = parsed(got)
    assert message["Bcc"] is None
    assert [len(message[name].addresses) for name in ("From", "To", "Reply-To")] == [1, 1, 1]
    assert b"=?utf-8?q?=0ABcc" not in got


@settings(max_examples=150, deadline=None)
@given(subject=UNICODE, name=UNICODE, list_name=UNICODE, text=UNICODE, html=UNICODE)
def test_any_unicode_keeps_the_mail_whole(subject, name, list_name, text, html):
    sender = f"{name} <news@magazine.example>"
    built = mime.build(
        outgoing(subject=subject, sender=sender, reply_to=sender, list_name=list_name, text=text, html=html)
    )
    assert_legal(built)
    assert names(built) == HEADERS
    message = parsed(built)
    assert not message.defects
    assert [(part.get_content_type(), part.defects) for part in message.walk()] == [
        ("multipart/alternative", []),
        ("text/plain", []),
        ("text/html", []),
    ]
    read = [part.get_payload(decode=True).decode().replace("\r\n", "\n") for part in message.iter_parts()]
    assert read == [plaintext.clean(text), plaintext.clean(html)]
    assert decoded(built, "Subject") == headers.clean(subject)
    assert [each.addr_spec for each in message["From"].addresses] == ["news@magazine.example"]
    assert [each.addr_spec for each in message["Reply-To"].addresses] == ["news@magazine.example"]


@pytest.mark.parametrize(
    "subject", ["ä" * 300, "Die Größe " * 40, "語" * 300, "plain words " * 60, "x" * 2000, "👩‍👩‍👧 " * 60, ""]
)
def test_a_long_subject_folds_into_short_lines_and_reads_back(received, subject):
    got = received(mime.build(outgoing(subject=subject)))
    assert decoded(got, "Subject") == subject.strip()
    lines = re.search(rb"^Subject:.*?\r\n(?! )", got, re.M | re.S)[0].split(b"\r\n")
    assert all(len(line) <= 76 for line in lines)
    assert all(len(word) <= 75 for line in lines for word in re.findall(rb"=\?\S+\?=", line))


@pytest.mark.parametrize(
    "body",
    [
        "é" * 500,
        "short é",
        "x" * 5000,
        ".\r\n.\r\n..\n.",
        "a\n.\nQUIT\r\n.\r\n",
        "trailing \t \nspace ",
        "From here\n",
        "=3D=\n",
    ],
)
def test_bodies_are_seven_bit_short_lined_and_never_begin_a_line_with_a_dot(received, body):
    got = received(mime.build(outgoing(text=body, html=body)))
    assert_legal(got)
    assert {part["Content-Transfer-Encoding"] for part in parsed(got).iter_parts()} == {"quoted-printable"}
    assert not re.search(rb"^(\.|From )", got, re.M)
    for part in parsed(got).iter_parts():
        assert part.get_payload(decode=True).decode().replace("\r\n", "\n") == plaintext.clean(body)


@pytest.mark.parametrize(
    ("text", "name", "spec"),
    [
        ("Ümlaut, Person <x@y.example>", "Ümlaut, Person", "x@y.example"),
        ('"The Magazine, Inc." <x@y.example>', "The Magazine, Inc.", "x@y.example"),
        ("a <b> c <x@y.example>", "a <b> c", "x@y.example"),
        ("x@y.example, evil <x@y.example>", "x@y.example, evil", "x@y.example"),
        ("x@Bücher.example", "", "x@xn--bcher-kva.example"),
    ],
)
def test_a_name_with_a_comma_is_one_address(received, text, name, spec):
    assert (addresses.spec_of(text), addresses.domain_of(text)) == (spec, spec.split("@")[1])
    message = parsed(received(mime.build(outgoing(reply_to=text))))
    assert [(each.display_name, each.addr_spec) for each in message["Reply-To"].addresses] == [(name, spec)]


@pytest.mark.parametrize(
    "text", ["", "nobody", "a@", "@b", "a b@c.example", "ü@y.example", "a@b.example, c@d.example", "<>"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(errors.BadInput):
        addresses.parse(text)
    with pytest.raises(errors.BadInput):
        mime.build(outgoing(recipient=text))


@pytest.mark.parametrize(
    "changes",
    [
        {"unsubscribe_url": "https://x.example/a\r\nBcc: evil@evil.example"},
        {"unsubscribe_url": "https://x.example/>,<https://evil.example"},
        {"unsubscribe_url": "https://x.example/" + "t" * 1200},
        {"unsubscribe_mailto": "news@magazine.example"},
        {"message_id": "no domain"},
        {"message_id": "<a@b>\r\nX: y"},
        {"list_id": "daily\r\nX: y"},
        {"feedback_id": "a:b:c:d:e"},
        {"feedback_id": "a\nb"},
    ],
)
def test_a_doubtful_header_is_refused_rather_than_sent(changes):
    with pytest.raises(errors.BadInput):
        mime.build(outgoing(**changes))


@pytest.mark.parametrize(
    "head",
    [
        b"A: 1\r\nB: 2\r\nB: 3",
        b"A: 1\r\nBcc: x",
        b"B: 1\r\nA: 2",
        b"A: 1\nBcc: x\r\nB: 2",
        b"A: \xc3\xa9\r\nB: 2",
        b"A: 1\r\n \r\nB: 2",
    ],
)
def test_the_last_check_lets_no_other_header_block_through(head):
    with pytest.raises(errors.BadInput):
        headers.check(head, ["A", "B"])


def test_the_date_is_in_utc_whatever_the_zone_it_was_given_in():
    assert parsed(mime.build(outgoing()))["Date"] == "Thu, 26 Nov 2026 06:00:00 +0000"


def names(content: bytes) -> list[str]:
    """Header names as they stand, read without a parser's kindness."""
    head = content.split(b"\r\n\r\n")[0]
    return [line.split(b":")[0].decode() for line in re.split(rb"\r\n|\r|\n", head) if line[:1] not in (b" ", b"\t")]


def parsed(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def decoded(content: bytes, name: str) -> str:
    message: Message = message_from_bytes(content)
    return str(make_header(decode_header(re.sub(r"\r?\n ", " ", message[name]))))


def assert_legal(content: bytes) -> None:
    assert max(content) < 0x80
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert b"\n" not in content.replace(b"\r\n", b"")
    lines = content.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert max(map(len, content.split(b"\r\n\r\n", 1)[1].split(b"\r\n"))) <= 76
