"""Link tokens: bound to their purpose, whole, and valid across key rotation."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from newsletter import errors, settings, signing


def test_every_changed_character_of_a_token_is_refused(configured):
    settings.use(configured)
    token = signing.sign("reader", [7, 3])
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    for place, present in enumerate(token):
        for other in alphabet:
            if other != present:
                with pytest.raises(errors.BadToken):
                    signing.read("reader", token[:place] + other + token[place + 1 :])


def test_a_token_serves_its_own_purpose_only(configured):
    settings.use(configured)
    with pytest.raises(errors.BadToken):
        signing.read("confirm", signing.sign("reader", [7, 3]))


def test_old_links_work_after_the_key_was_rotated_and_stop_when_it_is_dropped(configured):
    settings.use(configured)
    token = signing.sign("reader", [7, 3])
    digest = signing.digests("suppression", "a@example.com")[0]
    rotated = replace(configured, secret_key="n" * 40, secret_key_fallbacks=(configured.secret_key,))
    settings.use(rotated)
    assert signing.read("reader", token) == [7, 3]
    assert signing.sign("reader", [7, 3]) != token
    assert digest in signing.digests("suppression", "a@example.com")
    settings.use(replace(rotated, secret_key_fallbacks=()))
    with pytest.raises(errors.BadToken):
        signing.read("reader", token)


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
