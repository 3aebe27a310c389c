"""Somebody signs up other people's addresses, from everywhere and for a long time: no more goes out than the caps."""

import dataclasses
from collections import Counter
from datetime import timedelta

import pytest
import time_machine

from newsletter import clock, settings
from newsletter.audience import signup
from newsletter.audience.consent import Origin
from newsletter.outbox.models import Message
from tests.audience import magazine
from tests.conftest import both_engines


@pytest.fixture(autouse=True)
def _magazine(room):
    magazine.found()


def _bomb(targets, networks):
    """One press for each target, from the networks in turn; the addresses that were mailed."""
    for number, target in enumerate(targets):
        high, low = divmod(number % networks, 256)
        origin = Origin(channel="form", page="/subscribe", source_address=f"10.{high}.{low}.{number % 200 + 1}")
        signup.request_subscription(signup.Ask(email=target, origin=origin, terms=True))
        magazine.db.session.commit()
    return [message.address for message in magazine.db.session.query(Message)]


def _use(**caps):
    settings.use(dataclasses.replace(settings.current(), **caps))


@both_engines
@pytest.mark.parametrize(
    ("cap", "targets", "networks"),
    [
        ({"signups_per_network": 2}, [f"v{n}@d{n}.example" for n in range(12)], 3),
        ({"signups_per_domain": 4}, [f"v{n}@victims.example" for n in range(12)], 12),
        ({"signups_in_total": 5}, [f"v{n}@d{n}.example" for n in range(12)], 12),
    ],
)
def test_each_cap_stops_what_is_beyond_it(cap, targets, networks):
    _use(**cap)
    ((name, most),) = cap.items()
    with time_machine.travel(clock.now(), tick=False):
        mailed = _bomb(targets, networks)
    assert len(mailed) == (most * networks if name == "signups_per_network" else most)


def test_one_address_gets_three_mails_a_month_however_long_it_is_asked_for():
    now = clock.now()
    for hour in range(0, 24 * 29, 24):
        with time_machine.travel(now + timedelta(hours=hour), tick=False):
            mailed = _bomb(["victim@readers.example", "VICTIM@readers.example"], 2)
    # The month's bucket is full at first and refills evenly while it is used.
    assert settings.current().confirmations_per_month <= len(mailed) <= 2 * settings.current().confirmations_per_month


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_sign_ups_of_other_peoples_addresses_send_no_more_than_the_caps(capsys):
    present = settings.current()
    with time_machine.travel(clock.now(), tick=False):
        mailed = _bomb((f"v{n}@d{n % 30}.example" for n in range(10_000)), 400)
    domains = Counter(address.partition("@")[2] for address in mailed)
    assert len(mailed) == present.signups_in_total
    assert max(domains.values()) <= present.signups_per_domain
    assert max(Counter(mailed).values()) == 1
    with capsys.disabled():
        print(f"\n10,000 sign-ups in an hour: {len(mailed)} mails, at most {max(domains.values())} to a domain")  # noqa: T201
