"""Link tokens: bound to their purpose, whole, and valid across key rotation."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from newsletter import errors, settings, signing

NUMBERS = (2**48 - 1, 3)
WAYS = pytest.mark.parametrize(
    ("sign", "read", "payload"),
    [(signing.sign, signing.read, [7, 3]), (signing.sign_numbers, signing.read_numbers, NUMBERS)],
)


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
OTHERS = ["", *ALPHABET, *"=+/ \nü"]


@pytest.mark.parametrize(
    ("sign", "read", "payload", "others"),
    [
        # Nor what a lenient base64 decoder would take.
        (signing.sign, signing.read, [7, 3], OTHERS),
        (signing.sign_numbers, signing.read_numbers, NUMBERS, OTHERS),
    ],
)
def test_every_changed_character_of_a_token_is_refused(configured, sign, read, payload, others):
    settings.use(configured)
    token = sign("reader", payload)
    for place, present in enumerate(token):
        for other in others:
            if other != present:
                with pytest.raises(errors.BadToken):
                    read("reader", token[:place] + other + token[place + 1 :])
        for more in OTHERS[1:]:
            with pytest.raises(errors.BadToken):
                read("reader", token[: place + 1] + more + token[place + 1 :])


@WAYS
def test_a_token_serves_its_own_purpose_only(configured, sign, read, payload):
    settings.use(configured)
    with pytest.raises(errors.BadToken):
        read("confirm", sign("reader", payload))


@WAYS
def test_old_links_work_after_the_key_was_rotated_and_stop_when_it_is_dropped(configured, sign, read, payload):
    settings.use(configured)
    token = sign("reader", payload)
    digest = signing.digests("suppression", "a@example.com")[0]
    rotated = replace(configured, secret_key="n" * 40, secret_key_fallbacks=(configured.secret_key,))
    settings.use(rotated)
    assert read("reader", token) == payload
    assert sign("reader", payload) != token
    assert digest in signing.digests("suppression", "a@example.com")
    settings.use(replace(rotated, secret_key_fallbacks=()))
    with pytest.raises(errors.BadToken):
        read("reader", token)


@pytest.mark.parametrize("token", ["", "A", "AAAA", "=", "A" * 40, "ü", "\udcff", "A" * 24])
def test_what_never_was_a_token_of_numbers_is_refused(configured, token):
    settings.use(configured)
    with pytest.raises(errors.BadToken):
        signing.read_numbers("reader", token)


def test_a_dated_token_tells_its_age_and_ends(configured):
    settings.use(configured)
    start = datetime(2026, 11, 23, 12, tzinfo=UTC)
    with time_machine.travel(start, tick=False) as time:
        token = signing.sign_dated("form", {"terms": 2})
        time.shift(timedelta(seconds=5))
        assert signing.read_dated("form", token, lifetime=timedelta(minutes=1)) == ({"terms": 2}, timedelta(seconds=5))
        time.shift(timedelta(minutes=2))
        with pytest.raises(errors.ExpiredToken):
            signing.read_dated("form", token, lifetime=timedelta(minutes=1))
