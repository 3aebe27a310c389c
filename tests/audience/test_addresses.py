"""Addresses: which are accepted, and which are the same mailbox."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter import errors
from newsletter.audience import addresses


@pytest.mark.parametrize(
    ("typed", "display", "key"),
    [
        ("Ana@Readers.EXAMPLE", "Ana@readers.example", "ana@readers.example"),
        (" ana@example.com\n", "ana@example.com", "ana@example.com"),
        ("x@bücher.example", "x@xn--bcher-kva.example", "x@xn--bcher-kva.example"),
        ("x@XN--BCHER-KVA.example", "x@xn--bcher-kva.example", "x@xn--bcher-kva.example"),
        ("x@ｅxample.com", "x@example.com", "x@example.com"),
        ("o'hara+music@mail.test", "o'hara+music@mail.test", "o'hara+music@mail.test"),
    ],
)
def test_every_spelling_of_a_mailbox_has_one_key(typed, display, key):
    address = addresses.parse(typed)
    assert (address.display, address.key, address.domain) == (display, key, key.rpartition("@")[2])


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ana",
        "ana@",
        "@example.com",
        "ana@example",
        "a b@example.com",
        '"a b"@example.com',
        "ana@[127.0.0.1]",
        "ana@localhost",
        "ana@example..com",
        "ana@example.com, bob@example.com",
        "Ana <ana@example.com>",
        "ana@example.com\r\nBcc: x@example.com",
        "ünal@example.com",  # no SMTPUTF8: a mail to it could not leave
        "ana\u202e@example.com",
        "a" * 65 + "@example.com",
        "a" * 100_000 + "@example.com",
    ],
)
def test_what_is_no_address_is_refused_beside_its_field(typed):
    with pytest.raises(errors.BadInput) as caught:
        addresses.parse(typed)
    assert caught.value.field == "email"


@given(st.text(max_size=400) | st.builds("{}@{}.example".format, st.text(max_size=20), st.text(max_size=20)))
def test_any_text_is_an_address_whose_key_is_its_own_or_refused(text):
    try:
        address = addresses.parse(text)
    except errors.BadInput:
        return
    assert address.key.isascii()
    assert addresses.parse(address.key).key == addresses.parse(address.display).key == address.key
    assert addresses.masked(address.display) != address.display


@pytest.mark.parametrize(
    ("domain", "meant"),
    [
        ("gmial.com", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("gmai.com", "gmail.com"),
        ("gmaill.com", "gmail.com"),
        ("hotmial.com", "hotmail.com"),
        ("outlok.com", "outlook.com"),
        ("gmail.com", ""),
        ("mail.com", ""),
        ("ymail.com", ""),
        ("readers.example", ""),
    ],
)
def test_one_slip_in_a_large_providers_name_is_asked_about(domain, meant):
    assert addresses.suggestion(f"Ana@{domain}") == (f"Ana@{meant}" if meant else "")
