"""Trying the mail server: one mail to somebody who works here, and how it went."""

import secrets
from datetime import timedelta

from newsletter import clock, db, errors, limits, settings
from newsletter.mail import addresses
from newsletter.outbox import trial
from newsletter.outbox.composers import Row
from newsletter.outbox.trial import Trial
from newsletter.publication import masthead
from newsletter.staff import audit, editors, letters

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
    wire = letters.wire(
        row,
        subject=f"A test from the desk of {masthead.current().name}",
        text="This mail came through the mail server that your newsletters leave by. Somebody tried it on the desk, "
        "and you need do nothing.",
        path="/admin",
    )
    db.session.commit()
    outcome = trial.run(present, wire, row)
    said = {step.name: step.said for step in outcome.steps}
    audit.record(actor, "mail server tried", "mail", after={"to": recipient, **said}, editor_id=editor_id)
    return outcome


def _message_id(sender: str) -> str:
    return f"<test.{secrets.token_hex(8)}@{addresses.domain_of(sender)}>"
