"""The page of sender and mail server: what is in force is told without the password, and a test tells its steps."""

import dataclasses

import pytest

from newsletter import settings
from newsletter.staff import audit
from newsletter.staff.models import Role
from tests.web import desk


@pytest.fixture
def with_relay():
    before = settings.current()
    settings.use(dataclasses.replace(before, smtp_url="smtp://news:hush%40hush@127.0.0.1:9?tls=none", relay_tests=1))
    yield
    settings.use(before)


def test_what_is_in_force_is_told_with_its_variable_and_without_the_password(client, room, with_relay):
    desk.magazine()
    desk.log_in(client, Role.WRITER)
    page = client.get("/admin/mail").text
    for said in ("127.0.0.1, port 9, with a login", "NEWSLETTER_SMTP_URL", "1 Example Street", "The Weekly"):
        assert said in page
    assert "hush" not in page
    assert "Send me a test" not in page


def test_a_publisher_sends_a_test_and_reads_how_it_went_but_not_without_end(client, room, with_relay):
    token = desk.log_in(client, Role.PUBLISHER)
    page = client.post("/admin/mail/tests", data={"csrf": token})
    assert page.status_code == 200
    assert "The mail did not get through." in page.text
    assert "Connected: no" in page.text
    (entry,) = audit.of("mail")
    assert (entry.actor, "hush" in str(entry.after)) == ("publisher@magazine.example", False)
    again = client.post("/admin/mail/tests", data={"csrf": token})
    assert (again.status_code, "Please wait" in again.text) == (429, True)
