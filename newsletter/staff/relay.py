"""Trying the mail server: one mail to somebody who works here, and how it went."""

import secrets
from datetime import timedelta

from newsletter import clock, db, errors, limits, settings
from newsletter.mail import addresses, letters, looks, mime
from newsletter.outbox import trial
from newsletter.outbox.composers import Row, Wire
from newsletter.outbox.trial import Trial
from newsletter.publication import masthead
from newsletter.staff import audit, editors

_KIND = "relay test"
_PERIOD = timedelta(hours=1)


def try_out(address: str, *, actor: str, editor_id: int | None = None) -> Trial:
    """Send one mail to an editor through the configured transport, now; flushes a line of the audit log.

    Ends the transaction before it speaks to the mail server. Raises NotFound for whom does not work here, Refused past
    settings.relay_tests an hour.
    """
    editor = editors.find(address)
    if editor is None or not editor.is_active:
        raise errors.NotFound(f"Nobody with the address {address} works here. A test goes to an editor.")
    present, recipient = settings.current(), editor.address
    if not limits.take(f"relay-test:{editor.id}", capacity=present.relay_tests, period=_PERIOD):
        raise errors.Refused(f"That were {present.relay_tests} tests within an hour. Please wait a little.")
    row = Row(0, _KIND, 0, None, editor.id, recipient, _message_id(present.sender), clock.now())
    wire = _wire(row)
    db.session.commit()
    outcome = trial.run(present, wire, row)
    said = {step.name: step.said for step in outcome.steps}
    audit.record(actor, "mail server tried", "mail", after={"to": recipient, **said}, editor_id=editor_id)
    return outcome


def _wire(row: Row) -> Wire:
    present, name = settings.current(), masthead.current().name
    rendered = letters.notice(
        looks.of(masthead.current()),
        subject=f"A test from the desk of {name}",
        text="This mail came through the mail server that your newsletters leave by. Somebody tried it on the desk, "
        "and you need do nothing.",
        url=f"{present.base_url}/admin",
    )
    outgoing = mime.Outgoing(
        sender=present.sender,
        recipient=row.address,
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        message_id=row.message_id,
        dated_at=row.dated_at,
        is_automatic=True,
    )
    return Wire(mime.build(outgoing), addresses.spec_of(present.sender))


def _message_id(sender: str) -> str:
    return f"<test.{secrets.token_hex(8)}@{addresses.domain_of(sender)}>"
