"""Mail to an address stopped and allowed again by hand, by the rules of each reason."""

import pytest

from newsletter import db, errors
from newsletter.outbox import forgetting, suppression
from newsletter.outbox.models import SuppressionReason
from newsletter.privacy import blocks
from newsletter.staff import audit
from tests.conftest import both_engines

pytestmark = both_engines
MARA = "mara@readers.example"


def test_whoever_asks_is_never_written_to_again_and_the_log_does_not_name_them(room):
    made, is_new = blocks.stop(" Mara@Readers.example ", "By  letter", actor="ed")
    assert (made.address, made.reason, made.note, is_new) == (MARA, SuppressionReason.REQUEST, "By letter", True)
    assert blocks.stop(MARA, "again", actor="ed") == (made, False)
    (entry,) = audit.page()
    assert (entry.action, entry.subject, entry.after) == (
        "mail stopped",
        f"suppression {made.id}",
        {"reason": "request"},
    )
    with pytest.raises(errors.BadInput):
        blocks.stop("mara", "", actor="ed")


def test_a_request_weighs_more_than_a_complaint_which_stays_as_history(room):
    complaint = suppression.suppress(MARA, SuppressionReason.COMPLAINT)
    made, _ = blocks.stop(MARA, "", actor="ed")
    assert suppression.history(made) == [complaint]
    assert audit.page()[0].before == {"reason": "complaint"}


@pytest.mark.parametrize(
    "reason", [SuppressionReason.HARD_BOUNCE, SuppressionReason.COMPLAINT, SuppressionReason.REQUEST]
)
def test_what_is_lifted_has_a_reason_and_is_lifted_once(room, reason):
    present = suppression.suppress(MARA, reason, "at first")
    with pytest.raises(errors.BadInput, match="say why"):
        blocks.lift(present, " \n ", actor="ed")
    blocks.lift(present, "asked by telephone", actor="ed")
    assert not suppression.is_suppressed(MARA)
    assert present.note == "at first; lifted: asked by telephone"
    with pytest.raises(errors.Conflict, match="lifted already"):
        blocks.lift(present, "again", actor="ed")
    (entry,) = audit.page()
    assert (entry.before, entry.after) == ({"reason": reason.value}, {"reason": "asked by telephone"})


def test_an_erasure_is_nobodys_to_lift_and_outlives_what_else_is_lifted(room):
    forgetting.forget(7, [MARA])
    erased = suppression.find(MARA)
    with pytest.raises(errors.Conflict, match="Only they can come back"):
        blocks.lift(erased, "please", actor="ed")
    complainer = "cy@readers.example"
    complaint = suppression.suppress(complainer, SuppressionReason.COMPLAINT)
    forgetting.forget(8, [complainer])
    db.session.refresh(complaint)
    blocks.lift(complaint, "asked by letter", actor="ed")
    left = suppression.find(complainer)
    assert (left.reason, left.address) == (SuppressionReason.ERASURE, None)


def test_an_erased_address_that_is_never_to_be_written_to_stays_a_digest(room):
    forgetting.forget(7, [MARA])
    made, is_new = blocks.stop(MARA, "By letter", actor="ed")
    assert (made.address, made.note, is_new) == (None, "", True)
    assert suppression.find(MARA).reason is SuppressionReason.REQUEST


def test_addresses_are_found_by_a_part_and_erased_ones_by_the_whole_address_alone(room):
    for address in (MARA, "noor@bücher.example", "100%_sure@readers.example"):
        suppression.suppress(address, SuppressionReason.COMPLAINT)
    forgetting.forget(7, ["cy@readers.example"])
    found = {
        words: [each.address for each in suppression.listed(words=words)]
        for words in ("MARA", "readers", "noor@bücher.example", "%_s", "_", "cy", "Cy@readers.example")
    }
    assert found == {
        "MARA": [MARA],
        "readers": ["100%_sure@readers.example", MARA],
        "noor@bücher.example": ["noor@xn--bcher-kva.example"],
        "%_s": ["100%_sure@readers.example"],
        "_": ["100%_sure@readers.example"],
        "cy": [],
        "Cy@readers.example": [None],
    }
    assert suppression.counts()[SuppressionReason.COMPLAINT] == 3
