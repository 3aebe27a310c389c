"""A test of the mail server: each step in words, never the password, never longer than it may, never too often."""

import dataclasses
import json
import ssl
import time
from datetime import timedelta

import pytest

from newsletter import db, errors, settings
from newsletter.outbox import trial
from newsletter.outbox.transports import smtp
from newsletter.staff import audit, editors, relay
from newsletter.staff.models import Role
from tests.conftest import both_engines
from tests.outbox import smtp_server
from tests.outbox.smtp_server import CERTIFICATES, Rule, Server

PASSWORD = "s3cret:of@the/relay"
ED = "ed@magazine.example"


@pytest.fixture
def ed(room) -> str:
    editors.add(ED, Role.PUBLISHER)
    db.session.commit()
    return ED


@pytest.fixture
def use():
    """Makes a server the configured one."""
    before = settings.current()

    def use(server: Server, **changed: object) -> None:
        user = "news:s3cret%3Aof%40the%2Frelay@" if server.user else ""
        scheme, tls = ("smtps", "") if server.tls == "implicit" else ("smtp", f"?tls={server.tls}")
        url = f"{scheme}://{user}localhost:{server.port}{tls}"
        chosen = {"smtp_url": url, "relay_test_time": timedelta(seconds=2)} | changed
        settings.use(dataclasses.replace(before, **chosen))

    yield use
    settings.use(before)


@pytest.fixture
def trusted(monkeypatch) -> None:
    context = ssl.create_default_context(cafile=CERTIFICATES / "localhost.pem")
    plain = smtp.from_settings
    monkeypatch.setattr(smtp, "from_settings", lambda chosen: plain(chosen, context))


def _names(outcome: trial.Trial) -> list[str]:
    return [step.name for step in outcome.steps]


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_a_mail_that_arrives_tells_each_step(ed, use, trusted, tls):
    with Server(tls=tls, user="news", password=PASSWORD) as server:
        use(server)
        outcome = relay.try_out(ed, actor=ed)
        assert server.recipients == [ED]
        assert b"A test from the desk of The Magazine" in server.accepted[0]["body"]
    assert outcome.is_well, outcome
    said = {step.name: step.said for step in outcome.steps}
    assert said["Logged in"] == "As news."
    assert "250" in said["Message accepted"]
    if tls == "none":
        assert "tls=none" in said["Not secured"]
    else:
        assert "TLS 1." in said["Secured"]
        assert "verified for localhost, valid until" in said["Secured"]


@pytest.mark.parametrize(
    ("rule", "name", "advice"),
    [
        (Rule("connect", "554 5.7.1 Go away"), "Connected", "takes no connections from this machine"),
        (Rule("ehlo", "550 5.7.1 Who are you"), "Greeted", "does not accept the name"),
        (Rule("auth", f"535 5.7.8 Not {PASSWORD}"), "Logged in", "Check user and password"),
        (Rule("mail", "553 5.7.1 Not yours"), "Sender accepted", "write as news@magazine.example"),
        (Rule("rcpt", "554 5.7.1 Relaying denied"), "Recipient accepted", "does not carry mail"),
        (Rule("data", "451 4.3.0 Later"), "Message asked for", "wait and try again"),
        (Rule("dot", "554 5.7.26 Unauthenticated"), "Message accepted", "SPF, DKIM or DMARC"),
        (Rule("dot", smtp_server.DROP), "Message accepted", "it may have arrived"),
        (Rule("rcpt", smtp_server.STALL), "Recipient accepted", ""),
    ],
    ids=lambda value: f"{value.do} at {value.phase}" if isinstance(value, Rule) else "",
)
def test_the_step_that_fails_is_named_with_what_to_do_and_without_the_password(ed, use, trusted, rule, name, advice):
    with Server(rules=[rule], tls="starttls", user="news", password=PASSWORD) as server:
        use(server)
        began = time.monotonic()
        outcome = relay.try_out(ed, actor=ed)
        assert time.monotonic() - began < 6
    assert not outcome.is_well
    assert (_names(outcome)[-1], advice in outcome.advice) == (name, True), outcome
    assert all(step.is_well for step in outcome.steps[:-1])
    db.session.commit()
    (entry,) = audit.of("mail")
    assert PASSWORD not in f"{outcome} {entry.after}"


def test_a_certificate_nobody_vouches_for_ends_it_before_the_login(ed, use):
    with Server(tls="starttls", user="news", password=PASSWORD) as server:
        use(server)
        outcome = relay.try_out(ed, actor=ed)
        assert not any(command.upper().startswith("AUTH") for command in server.commands)
    assert (_names(outcome)[-1], "SSL_CERT_FILE" in outcome.advice) == ("Secured", True)


def test_a_server_that_is_not_there_is_told_so(ed, use):
    with Server() as server:
        port = server.port
    use(dataclasses.replace(server, port=port))
    outcome = relay.try_out(ed, actor=ed)
    assert (_names(outcome), f"port {port}" in outcome.advice) == (["Connected"], True)


def test_without_a_mail_server_it_says_where_the_mail_lies(ed):
    outcome = relay.try_out(ed, actor=ed)
    assert outcome.is_well
    assert "NEWSLETTER_SMTP_URL" in outcome.advice


@both_engines
def test_only_editors_are_written_to_and_not_too_often(ed, app):
    with pytest.raises(errors.NotFound):
        relay.try_out("reader@readers.example", actor=ed)
    for _ in range(settings.current().relay_tests):
        relay.try_out(ed, actor=ed)
    db.session.commit()
    with pytest.raises(errors.Refused, match="Please wait"):
        relay.try_out(ed, actor=ed)
    db.session.rollback()
    result = app.test_cli_runner().invoke(args=["newsletter", "relay", "test", ED])
    assert (result.exit_code, "Please wait" in result.output) == (1, True)


def test_the_command_says_the_same_and_fails_when_the_mail_did(ed, app, use):
    with Server(rules=[Rule("rcpt", "554 5.7.1 Relaying denied")]) as server:
        use(server)
        result = app.test_cli_runner().invoke(args=["newsletter", "relay", "test", ED, "--json"])
    assert result.exit_code == 1
    told = json.loads(result.output)
    assert (told["accepted"], told["steps"][-1]["step"]) == (False, "Recipient accepted")
