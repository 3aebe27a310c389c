"""The composer of test mails: what was pressed when the test was asked for, with a link that opens nothing."""

from newsletter import db
from newsletter.issues.models import TestMail
from newsletter.mail import addresses
from newsletter.mail.press import Plate, Press
from newsletter.outbox import composers

KIND = "test"

# No token of ours: every page it leads to says so, and nothing is changed.
_TOKEN = "test"  # noqa: S105 - opens nothing


def compose(row: composers.Row) -> composers.Wire | composers.Skipped:
    """The bytes of a test mail, the same on every attempt whatever has become of the issue."""
    test = db.session.get(TestMail, row.recipient_id)
    if test is None:
        return composers.Skipped("the issue was deleted")
    press = Press(Plate(test.plate, test.content_hash))
    content = press.fill(row.address, row.message_id, row.dated_at, _TOKEN)
    smtputf8 = addresses.needs_smtputf8(row.address)
    return composers.Wire(content, addresses.spec_of(test.sender), smtputf8, is_stuffed=True)
