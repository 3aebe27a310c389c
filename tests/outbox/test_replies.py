"""What replies mean: the table of outcomes, row by row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.outbox.replies import Fate, Reply, classify, enhanced_of

PHASES = ("connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot")

ROWS = [
    # drop or 421 before the body; 4yz to what is not about this message
    ("connect", None, "", Fate.NOT_SENT),
    ("connect", 421, "4.3.2 Busy", Fate.NOT_SENT),
    ("ehlo", 450, "", Fate.NOT_SENT),
    ("auth", 454, "4.7.0 Temporary authentication failure", Fate.NOT_SENT),
    ("mail", 451, "", Fate.NOT_SENT),
    ("mail", 421, "4.7.0 Too many messages", Fate.NOT_SENT),
    ("rcpt", 421, "4.7.28 Unusual rate", Fate.NOT_SENT),
    ("rcpt", None, "", Fate.NOT_SENT),
    ("data", None, "", Fate.NOT_SENT),
    ("data", 451, "", Fate.NOT_SENT),
    # 4yz at RCPT and at the dot
    ("rcpt", 450, "4.2.0 Greylisted", Fate.DEFERRED),
    ("rcpt", 451, "", Fate.DEFERRED),
    ("rcpt", 452, "4.2.2 Mailbox full", Fate.DEFERRED),
    ("dot", 450, "", Fate.DEFERRED),
    ("dot", 421, "4.7.32 Not aligned", Fate.DEFERRED),
    # the first digit of the code decides, not the enhanced one (Gmail: 421 5.7.32)
    ("dot", 421, "5.7.32 Not aligned", Fate.DEFERRED),
    ("rcpt", 450, "5.1.1 No such user, perhaps", Fate.DEFERRED),
    # sender's fault
    ("mail", 552, "5.3.4 Too big", Fate.SENDERS_FAULT),
    ("dot", 552, "", Fate.SENDERS_FAULT),
    ("dot", 552, "5.3.4 Too big", Fate.SENDERS_FAULT),
    ("mail", 550, "5.7.1 Sender rejected", Fate.SENDERS_FAULT),
    ("mail", 530, "5.7.0 Authentication required", Fate.SENDERS_FAULT),
    ("rcpt", 530, "5.7.0 Must issue STARTTLS", Fate.SENDERS_FAULT),
    ("auth", 535, "5.7.8 Authentication failed", Fate.SENDERS_FAULT),
    ("ehlo", 550, "Go away", Fate.SENDERS_FAULT),
    ("connect", 554, "No SMTP service here", Fate.SENDERS_FAULT),
    ("starttls", 554, "5.7.5 Certificate", Fate.SENDERS_FAULT),
    ("data", 554, "No valid recipients", Fate.SENDERS_FAULT),
    ("dot", 550, "5.7.25 No PTR record", Fate.SENDERS_FAULT),
    ("dot", 550, "5.7.26 Unauthenticated mail", Fate.SENDERS_FAULT),
    ("rcpt", 550, "5.7.30 No DKIM", Fate.SENDERS_FAULT),
    ("dot", 550, "5.7.515 Access denied", Fate.SENDERS_FAULT),
    ("rcpt", 550, "5.1.8 Sender domain not found", Fate.SENDERS_FAULT),
    ("rcpt", 503, "5.5.1 Need MAIL", Fate.SENDERS_FAULT),
    # this address
    ("rcpt", 550, "5.7.1 Policy", Fate.BOUNCED),
    ("rcpt", 550, "5.2.1 Receiving mail at a rate", Fate.BOUNCED),
    ("rcpt", 552, "5.2.2 Mailbox full", Fate.BOUNCED),
    ("rcpt", 552, "Mailbox full", Fate.BOUNCED),
    ("rcpt", 550, "Blocked by our spam policy", Fate.BOUNCED),
    ("rcpt", 550, "relay not permitted", Fate.BOUNCED),
    ("rcpt", 554, "", Fate.BOUNCED),
    ("dot", 554, "5.7.1 Looks like spam", Fate.BOUNCED),
    ("dot", 550, "No", Fate.BOUNCED),
    ("rcpt", 553, "5.6.7 Needs SMTPUTF8", Fate.SKIPPED),
    # accepted, and not known
    ("dot", 250, "2.0.0 Ok", Fate.SENT),
    ("dot", 251, "forwarded", Fate.SENT),
    ("dot", 299, "", Fate.SENT),
    ("dot", None, "", Fate.UNCERTAIN),
    ("dot", 0, "HTTP/1.1 400 Bad Request", Fate.UNCERTAIN),
    ("dot", 354, "", Fate.UNCERTAIN),
    ("rcpt", 354, "", Fate.NOT_SENT),
    ("mail", 0, "garbage", Fate.NOT_SENT),
]

SUPPRESSED = [
    ("rcpt", 550, "5.1.1 No such user"),
    ("rcpt", 550, "5.1.10 Recipient not found"),
    ("rcpt", 551, "5.1.6 Moved"),
    ("dot", 550, "5.1.1 No such user"),
    ("rcpt", 550, "No such user here"),
    ("rcpt", 550, "<x@y>: Recipient address rejected: User unknown"),
    ("rcpt", 550, ""),
]


@pytest.mark.parametrize(("phase", "code", "text", "fate"), ROWS)
def test_each_row_of_the_table(phase, code, text, fate):
    verdict = classify(_reply(phase, code, text))
    assert (verdict.fate, verdict.suppress) == (fate, False)


@pytest.mark.parametrize(("phase", "code", "text"), SUPPRESSED)
def test_an_address_that_does_not_exist_is_suppressed(phase, code, text):
    verdict = classify(_reply(phase, code, text))
    assert (verdict.fate, verdict.suppress) == (Fate.BOUNCED, True)


@given(
    st.sampled_from(PHASES),
    st.one_of(st.none(), st.integers(0, 999)),
    st.text(max_size=80),
    st.sampled_from(["", "5.1.1", "5.7.1", "4.2.2", "2.0.0", "5.3.4"]),
)
def test_every_reply_has_a_verdict_that_promises_nothing_false(phase, code, text, enhanced):
    reply = Reply(phase, code, text, enhanced)
    verdict = classify(reply)
    is_accepted = phase == "dot" and code is not None and 200 <= code < 300
    assert (verdict.fate is Fate.SENT) == is_accepted
    if verdict.fate is Fate.UNCERTAIN:
        assert phase == "dot"
    if verdict.fate is Fate.NOT_SENT:
        assert phase != "dot"
    if verdict.suppress:
        assert (verdict.fate, code is not None and 500 <= code < 600) == (Fate.BOUNCED, True)


def _reply(phase: str, code: int | None, text: str) -> Reply:
    return Reply(phase, code, text, enhanced_of(text))
