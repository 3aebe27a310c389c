"""The dialogue without sockets: whatever a server says, and however its bytes are cut, nothing false is told."""

import re
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.outbox.dialogue import Dialogue
from newsletter.outbox.parcels import Asked, Parcel, Told
from newsletter.outbox.replies import Fate, Reply, classify
from tests.outbox.carrying import parcel

ACCEPTING = {
    "mail": "250 2.1.0 Ok",
    "rcpt": "250 2.1.5 Ok",
    "data": "354 Go",
    "dot": "250 2.0.0 Queued",
    "rset": "250 Ok",
}
REFUSALS = ("451 4.3.0 Later", "550 5.1.1 No", "552 5.3.4 Big", "450-4.2.0 Grey\r\n450 4.2.0 listed", "421 4.7.0 Bye")
NONSENSE = ("220 again", "what", "999 no", "", "25", "354 out of turn")


@dataclass
class Model:
    """A server that keeps the rules of RFC 5321 and 2920, says what it is told to, and knows what it accepted."""

    script: list[str] = field(default_factory=list)  # the next replies that are not acceptances, "" for an acceptance
    wants_body_of_nobody: bool = False
    buffer: bytes = b""
    recipient: str = ""
    is_in_body: bool = False
    is_closed: bool = False
    accepted: list[bytes] = field(default_factory=list)
    empty: int = 0

    def take(self, data: bytes) -> bytes:
        self.buffer += data
        said = b""
        while not self.is_closed:
            end = self.buffer.find(b"\r\n.\r\n") + 5 if self.is_in_body else self.buffer.find(b"\r\n") + 2
            if self.is_in_body and self.buffer.startswith(b".\r\n"):
                end = 3
            if end < (5 if self.is_in_body and not self.buffer.startswith(b".\r\n") else 2):
                return said
            unit, self.buffer = self.buffer[:end], self.buffer[end:]
            said += self._body(unit) if self.is_in_body else self._command(unit.decode().strip())
        return said

    def _body(self, unit: bytes) -> bytes:
        self.is_in_body = False
        if not self.recipient:
            self.empty += 1
            return b"554 5.5.1 No valid recipients\r\n"
        reply = self._next("dot")
        if reply.startswith(b"2"):
            self.accepted.append(unit.removesuffix(b".\r\n"))
        self.recipient = ""
        return reply

    def _command(self, command: str) -> bytes:
        verb = command.split(" ", maxsplit=1)[0].lower()
        if verb == "rset":
            self.recipient = ""
            return b"250 2.0.0 Ok\r\n"
        if verb == "mail":
            assert re.fullmatch(r"MAIL FROM:<\S*>( SIZE=\d+)?", command)
            self.sender = self._next("mail")
            self.recipient = ""
            return self.sender
        if verb == "rcpt":
            if not self.sender.startswith(b"2"):
                return b"503 5.5.1 MAIL first\r\n"
            reply = self._next("rcpt")
            self.recipient = command if reply.startswith(b"2") else ""
            return reply
        assert verb == "data"
        if not self.recipient and not self.wants_body_of_nobody:
            return b"554 5.5.1 No valid recipients\r\n"
        reply = self._next("data") if self.recipient else b"354 Go\r\n"
        self.is_in_body = reply.startswith(b"354")
        return reply

    def _next(self, phase: str) -> bytes:
        said = (self.script.pop(0) if self.script else "") or ACCEPTING[phase]
        self.is_closed = said.startswith("421")
        return said.encode() + b"\r\n"


@dataclass
class Talk:
    """A dialogue and a model joined by bytes, cut as `cuts` says; the courier's part is played by the book."""

    dialogue: Dialogue
    model: Model
    waiting: list[Parcel]
    cuts: list[int]
    asked: list[Parcel] = field(default_factory=list)
    told: list[tuple[Parcel, Reply]] = field(default_factory=list)
    offered: list[Parcel] = field(default_factory=list)

    def run(self) -> None:
        for _ in range(10_000):
            if self.dialogue.is_free and self.waiting:
                self._offer()
            data = self.dialogue.to_send()
            if not data:
                break
            part = data[: self._cut(len(data))]
            self.dialogue.sent(len(part))
            said = self.model.take(part)
            while said and not self.dialogue.is_over:
                cut = self._cut(len(said))
                self._take_in(self.dialogue.receive(said[:cut]))
                said = said[cut:]
            if self.model.is_closed:
                self._take_in(self.dialogue.lost("closed"))
                break
        if not self.dialogue.is_over:
            self._take_in(self.dialogue.lost("the test is over"))

    def _offer(self) -> None:
        self.offered.append(self.waiting.pop(0))
        self.dialogue.offer(self.offered[-1])

    def _take_in(self, events: list[Asked | Told]) -> None:
        for event in events:
            if isinstance(event, Told):
                self.told.append((event.parcel, event.reply))
                continue
            self.asked.append(event.parcel)
            if not self.dialogue.is_over:
                self.dialogue.hand_over(event.parcel)
                if self.waiting and self.dialogue.is_pipelining:
                    self._offer()

    def _cut(self, length: int) -> int:
        return min(length, self.cuts.pop(0)) if self.cuts else length


def _talk(script: list[str], cuts: list[int], *, is_pipelining: bool, wants_body_of_nobody: bool = False) -> Talk:
    extensions = {"size": "1000000", **({"pipelining": ""} if is_pipelining else {})}
    parcels = [parcel(b"X-Number: %d\r\n\r\nHello\r\n" % n, f"r{n}@readers.example", number=n) for n in range(8)]
    talk = Talk(Dialogue(extensions), Model(list(script), wants_body_of_nobody), parcels, list(cuts))
    talk.run()
    return talk


scripts = st.lists(st.sampled_from(("", "", "", *REFUSALS)), max_size=25)
cuts = st.lists(st.integers(1, 60), max_size=60)


@given(scripts, cuts, st.booleans(), st.booleans())
def test_each_parcel_offered_is_told_once_and_told_the_truth(script, cuts, is_pipelining, wants_body_of_nobody):
    talk = _talk(script, cuts, is_pipelining=is_pipelining, wants_body_of_nobody=wants_body_of_nobody)
    assert [each for each, _ in talk.told] == talk.offered
    sent = [each.body for each, reply in talk.told if classify(reply).fate is Fate.SENT]
    doubtful = [each.body for each, reply in talk.told if classify(reply).fate is Fate.UNCERTAIN]
    assert sent == talk.model.accepted or set(talk.model.accepted) <= {*sent, *doubtful}
    assert set(sent) <= set(talk.model.accepted)
    assert len(doubtful) <= 1
    # Only where a server asks for a body although it refused the recipient does it get an empty one.
    assert talk.model.empty == 0 or wants_body_of_nobody
    if not any(said.startswith("421") for said in script):
        # Everybody got a turn: one's refusal costs no other its message.
        assert talk.offered == [each for each, _ in talk.told]
        assert len(talk.offered) == 8
        assert doubtful == []


@given(scripts, cuts, st.sampled_from(NONSENSE), st.integers(0, 20), st.booleans())
def test_a_server_that_talks_nonsense_is_left_and_at_most_one_message_is_in_doubt(
    script, cuts, nonsense, at, is_pipelining
):
    quiet = ["" if said.startswith("421") else said for said in script]
    talk = _talk([*(quiet + [""] * at)[:at], nonsense or " "], cuts, is_pipelining=is_pipelining)
    fates = [classify(reply).fate for _, reply in talk.told]
    assert [each for each, _ in talk.told] == talk.offered
    assert fates.count(Fate.UNCERTAIN) <= 1
    sent = {each.body for each, reply in talk.told if classify(reply).fate is Fate.SENT}
    assert sent <= set(talk.model.accepted)


@given(scripts, cuts, st.integers(0, 2_000), st.booleans())
def test_a_connection_lost_at_any_byte_leaves_at_most_one_message_in_doubt_and_no_false_word(
    script, cuts, at, is_pipelining
):
    """The server's bytes end after `at`; what it had accepted by then is sent or uncertain, never unsent."""

    class Cut(Model):
        left = at

        def take(self, data: bytes) -> bytes:
            said = super().take(data)[: self.left]
            self.left -= len(said)
            self.is_closed = self.is_closed or not self.left
            return said

    parcels = [parcel(b"X-Number: %d\r\n\r\nHello\r\n" % n, f"r{n}@readers.example", number=n) for n in range(8)]
    talk = Talk(Dialogue({"pipelining": ""} if is_pipelining else {}), Cut(list(script)), parcels, list(cuts))
    talk.run()
    fates = {each.body: classify(reply).fate for each, reply in talk.told}
    assert list(fates.values()).count(Fate.UNCERTAIN) <= 1
    for body in talk.model.accepted:
        assert fates[body] in (Fate.SENT, Fate.UNCERTAIN)
    assert {body for body, fate in fates.items() if fate is Fate.SENT} <= set(talk.model.accepted)


def test_an_envelope_leaves_in_one_write_and_the_next_one_with_the_body():
    dialogue = Dialogue({"pipelining": "", "size": "0"})
    one, two = parcel(b"One\r\n\r\n", "one@d.example"), parcel(b"Two\r\n\r\n", "two@d.example")
    dialogue.offer(one)
    first = b"MAIL FROM:<a@b.example> SIZE=7\r\nRCPT TO:<one@d.example>\r\nDATA\r\n"
    assert dialogue.to_send() == first
    dialogue.sent(len(first))
    assert dialogue.receive(b"250 Ok\r\n250 Ok\r\n354 Go\r\n") == [Asked(one)]
    assert dialogue.to_send() == b""  # nothing of the body before leave is given
    dialogue.hand_over(one)
    dialogue.offer(two)
    assert (
        dialogue.to_send() == b"One\r\n\r\n.\r\nMAIL FROM:<a@b.example> SIZE=7\r\nRCPT TO:<two@d.example>\r\nDATA\r\n"
    )


def test_a_refused_recipient_gets_no_body_and_the_next_envelope_begins_anew():
    dialogue = Dialogue({"pipelining": ""})
    dialogue.offer(parcel(b"One\r\n\r\n", "one@d.example"))
    dialogue.sent(len(dialogue.to_send()))
    (told,) = dialogue.receive(b"250 Ok\r\n550 5.1.1 No such user\r\n")
    assert (told.reply.phase, told.reply.code, told.reply.enhanced) == ("rcpt", 550, "5.1.1")
    assert not dialogue.is_free
    assert dialogue.receive(b"354 Go\r\n") == []
    assert dialogue.to_send() == b".\r\n"  # RFC 2920 3.1
    dialogue.sent(3)
    assert dialogue.receive(b"554 5.5.1 Nobody\r\n") == []
    assert dialogue.is_free
    dialogue.offer(parcel(b"Two\r\n\r\n", "two@d.example"))
    assert dialogue.to_send().startswith(b"RSET\r\nMAIL")


def test_a_refusal_between_the_leave_and_the_body_is_the_end_of_that_message():
    dialogue = Dialogue({"pipelining": ""})
    one = parcel(b"One\r\n\r\n")
    dialogue.offer(one)
    dialogue.sent(len(dialogue.to_send()))
    dialogue.receive(b"250 Ok\r\n250 Ok\r\n354 Go\r\n")
    (told,) = dialogue.receive(b"550 5.7.1 No\r\n")
    assert (told.reply.phase, told.reply.code, dialogue.is_over) == ("dot", 550, True)


@pytest.mark.parametrize(
    ("written", "said", "phase", "fate"),
    [
        (0.5, b"552 5.3.4 Too big\r\n", "dot", Fate.SENDERS_FAULT),
        (0.5, b"421 4.3.0 Closing\r\n", "data", Fate.NOT_SENT),
        (0.5, b"250 2.0.0 Already\r\n", "data", Fate.NOT_SENT),
        (0.5, b"", "data", Fate.NOT_SENT),
        (1.0, b"", "dot", Fate.UNCERTAIN),
        (1.0, b"250 2.0", "dot", Fate.UNCERTAIN),
        (1.0, b"421 4.3.0 Closing\r\n", "dot", Fate.DEFERRED),
    ],
)
def test_what_is_known_of_a_body_when_the_connection_ends(written, said, phase, fate):
    dialogue = Dialogue({})
    one = parcel(b"One\r\n\r\n" + b"x" * 100 + b"\r\n")
    dialogue.offer(one)
    for reply in (b"250 Ok\r\n", b"250 Ok\r\n", b"354 Go\r\n"):
        dialogue.sent(len(dialogue.to_send()))
        dialogue.receive(reply)
    dialogue.hand_over(one)
    dialogue.sent(int(len(dialogue.to_send()) * written))
    events = dialogue.receive(said)
    assert dialogue.is_over is (b"\n" in said)  # the rest of a body would be read as commands
    (told,) = [*events, *dialogue.lost("gone")]
    assert told.reply.phase == phase
    assert classify(told.reply).fate is fate
    assert dialogue.is_over
