"""Two stories a tester can follow, through pages, mails and commands: she leaves and comes back, and counsel asks."""

import io
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from newsletter import clock, db, settings
from newsletter.audience import importing
from newsletter.issues import composing, lifecycle, planning
from newsletter.models import TABLES
from newsletter.outbox import composers, suppression
from newsletter.outbox.drain import Drain
from newsletter.outbox.models import Message, SuppressionReason
from newsletter.outbox.transports import memory
from newsletter.publication import newsletters
from newsletter.staff.models import Role
from tests.audience import magazine
from tests.conftest import both_engines
from tests.issues import world
from tests.web import desk

pytestmark = both_engines
MARA, BO = "mara@readers.example", "bo@readers.example"


@dataclass
class Town:
    """The service as its readers meet it: pages by a browser without script, mails at their addresses."""

    app: Flask
    client: FlaskClient
    post: memory.Transport = field(default_factory=memory.Transport)

    def carry(self) -> None:
        """Deliver all mail that is due."""
        db.session.rollback()
        engine = db.make_engine()
        Drain(engine, self.post, compose=_compose).run(until_empty=True, stop=threading.Event())
        engine.dispose()

    def mails(self, address: str) -> list[EmailMessage]:
        found = [content for to, content in self.post.accepted if to == address]
        return [message_from_bytes(content, policy=policy.default) for content in found]

    def sign_up(self, address: str, **fields: object) -> bytes:
        """Fill in the form two seconds after it came; the answer's bytes."""
        with time_machine.travel(clock.now() - timedelta(seconds=30)):
            form = re.search(r'name="form" value="([^"]+)"', self.client.get("/subscribe").text)[1]
        answer = self.client.post("/subscribe", data={"email": address, "terms": "yes", "form": form, **fields})
        assert answer.status_code == 200, answer.text
        return answer.data

    def confirm(self, address: str) -> str:
        """Press the button of the newest mail; the page."""
        self.carry()
        return self.client.post(_link(self.mails(address)[-1], "confirm")).text

    def issue(self, *headlines: str, work: Callable[[], None] | None = None) -> None:
        """Send an issue of The Daily with new stories; `work` is done once it is released and before it leaves."""
        for headline in headlines:
            world.article("music", ready_at=clock.now() - timedelta(minutes=1), headline=headline)
        issue = composing.compose(newsletters.get("daily"), now=clock.now())
        lifecycle.approve(issue, actor="test")
        lifecycle.send_now(issue, actor="test")
        issue_id = issue.id
        db.session.commit()
        planning.release(issue_id)
        db.session.rollback()
        if work:
            work()
        self.carry()

    def run(self, *arguments: str) -> dict:
        db.session.rollback()
        ran = self.app.test_cli_runner().invoke(args=["newsletter", *arguments, "--json"])
        return {"exit_code": ran.exit_code, **(json.loads(ran.stdout) if ran.stdout.startswith("{") else {})}


def _compose(rows):
    try:
        with db.reading():
            return composers.compose(rows)
    finally:
        db.session.remove()


def _link(mail: EmailMessage, name: str) -> str:
    """The path of the link of this name in a mail's text."""
    body = mail.get_body(("plain",)).get_content()
    return re.search(rf"http://[^/\s]+(/{name}/\S+)", body)[1]


def _records(proof):
    return [(each["kind"], each["channel"]) for each in proof["records"]]


@pytest.fixture
def town(app, client, room) -> Town:
    magazine.found()
    return Town(app, client)


def test_she_leaves_and_comes_back(town):  # noqa: PLR0915 - a story is told in one piece
    for address in (MARA, BO):
        town.sign_up(address, newsletters="daily", topics="music")
        assert "You are subscribed" in town.confirm(address)
    town.issue("A quiet record")
    (_, first) = town.mails(MARA)
    one_click = re.search(r"<http://[^/]+([^>]+)>", first["List-Unsubscribe"])[1]

    # One click while an issue is leaving: her row is skipped, Bo's is not, and nobody says goodbye.
    def leave():
        answer = town.client.post(one_click, data={"List-Unsubscribe": "One-Click"})
        assert (answer.status_code, answer.headers.get("Set-Cookie")) == (200, None)

    town.issue("Two and a half songs", work=leave)
    assert (len(town.mails(MARA)), len(town.mails(BO))) == (2, 3)
    with db.reading():
        newest = db.session.scalars(select(Message).filter_by(address=MARA).order_by(Message.id.desc())).first()
        assert (newest.state, newest.last_reply) == ("skipped", "unsubscribed")
    db.session.rollback()

    # The link in the body: what it shows is masked; undone within a day; then it acts at once, and offers.
    page = _link(first, "unsubscribe")
    opened = town.client.get(page).text
    assert MARA not in opened
    assert "ma•••@readers.example" in opened
    assert "It is as it was" in town.client.post(page, data={"undo": "yes"}).text
    town.issue("A third thing")
    assert len(town.mails(MARA)) == 3
    left = town.client.post(page).text
    assert "You have left The Daily" in left
    assert "A pause" in left
    with time_machine.travel(clock.now() + timedelta(hours=25)):
        assert "more than a day ago" in town.client.post(page, data={"undo": "yes"}).text

    # A mail that was forwarded: nothing personal is shown, and a link to her data goes to her.
    preferences = _link(first, "preferences")
    assert MARA not in town.client.get(preferences).text
    town.client.post(f"{preferences}/link")
    town.carry()
    assert "/preferences/private/" in town.mails(MARA)[-1].get_body(("plain",)).get_content()

    # A list brings nobody back.
    row = f"email,status,consent_at,consent_source\n{MARA},confirmed,2024-05-01T10:00:00Z,An old list\n"
    ((_, reason),) = importing.import_csv(io.BytesIO(row.encode())).refused
    assert re.fullmatch(r"This reader left on \d{4}-\d\d-\d\d and is not revived; .*", reason)
    db.session.rollback()

    # Two years later her old link still works, whatever the key is now.
    present = settings.current()
    keys = {"secret_key": "another-secret-key-of-enough-characters", "secret_key_fallbacks": (present.secret_key,)}
    settings.use(replace(present, **keys))
    with time_machine.travel(clock.now() + timedelta(days=730)):
        assert town.client.post(one_click, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    settings.use(present)

    # She signs up again herself: a confirmation, new records, and nothing she had before.
    with time_machine.travel(clock.now() + timedelta(days=2)):
        before = len(town.mails(MARA))
        answer = town.sign_up(MARA, newsletters="daily", topics="music")
        assert "You are subscribed" in town.confirm(MARA)
        proof = town.run("subscriber", "proof", MARA)
        assert _records(proof)[-2:] == [("requested", "form"), ("confirmed", "link")]
        assert proof["chain"]["is_whole"]
        town.issue("Something new")
        digest = town.mails(MARA)[-1].get_body(("plain",)).get_content()
        assert len(town.mails(MARA)) == before + 2
        assert "Something new" in digest
        for had in ("A quiet record", "A third thing"):
            assert had not in digest

        # After a complaint the page is the same, no mail goes, and the desk says why.
        suppression.suppress(MARA, SuppressionReason.COMPLAINT, "by her provider")
        db.session.commit()
    with time_machine.travel(clock.now() + timedelta(days=4)):
        assert town.sign_up(MARA, newsletters="daily", topics="music") == answer
        town.carry()
        assert len(town.mails(MARA)) == before + 2
        desk.log_in(town.client, Role.EDITOR)
        assert "was reported as spam" in town.client.get("/admin/readers/1").text


def test_counsel_asks(town, tmp_path):  # noqa: PLR0915 - a story is told in one piece
    town.sign_up(MARA, newsletters="daily", topics="music")
    town.confirm(MARA)
    town.sign_up(BO, newsletters="daily", topics="music")
    town.confirm(BO)

    # Command and desk give the same document.
    document = tmp_path / "proof.html"
    proof = town.run("subscriber", "proof", MARA, "--document", str(document))
    desk.log_in(town.client, Role.EDITOR)
    assert town.client.get("/admin/readers/1/proof").data == document.read_bytes()
    assert [each["terms_version"] for each in proof["records"]] == [1, 1]
    assert {each["version"] for each in proof["documents"]} == {1}

    # New terms: the old address keeps its bytes, Mara is still on the first, nobody is stopped, and the issue tells.
    old = town.client.get("/terms/1").data
    terms = tmp_path / "terms.md"
    terms.write_text("The second terms.")
    assert town.run("legal", "publish", "terms", str(terms), "--title", "Terms of Use")["version"] == 2
    assert town.client.get("/terms/1").data == old
    town.issue("A quiet record")
    told = town.mails(MARA)[-1].get_body(("plain",)).get_content()
    assert "There is a new version of our Terms of Use" in told
    assert "/terms/2" in told
    assert town.run("subscriber", "proof", MARA)["records"][-1]["terms_version"] == 1
    town.issue("Two and a half songs")
    assert "new version of our" not in town.mails(MARA)[-1].get_body(("plain",)).get_content()

    # To ask again needs the number of readers.
    publish = ("legal", "publish", "terms", str(terms), "--title", "Terms")
    assert town.run(*publish, "--way", "asked", "--ask-by", "2999-01-01T00:00Z", "--readers", "7")["exit_code"] == 1

    # A record cannot be changed; forced, the check names it, and so does the proof.
    assert town.run("check")["broken"] == []
    _change(refused=True)
    _change(refused=False)
    found = town.run("check")
    assert found["exit_code"] == 1
    assert found["broken"] == [{"rule": "chain", "who": "subscriber", "offenders": ["2: line 1 was changed"]}]
    assert not town.run("subscriber", "proof", BO)["chain"]["is_whole"]
    _change(refused=False, sentence=proof["records"][0]["sentence"])
    assert town.run("check")["broken"] == []

    # She has herself erased, by the link that went to her: no trace, and the chain still holds.
    town.client.post(f"{_link(town.mails(MARA)[1], 'preferences')}/link")
    town.carry()
    private = _link(town.mails(MARA)[-1], "preferences/private")
    assert json.loads(town.client.get(f"{private}/data.json").text)["address"] == MARA
    assert "Erased" in town.client.post(f"{private}/erasure").text
    assert "mara" not in _dump()
    assert town.run("check")["broken"] == []
    assert town.run("subscriber", "proof", MARA)["exit_code"] == 1

    # Nobody else brings her back; she may sign up anew, and an import without proof waits to be asked.
    rows = f"email,status\n{MARA},\nnew@readers.example,confirmed\n"
    report = importing.import_csv(io.BytesIO(rows.encode()))
    assert ([line for line, _ in report.refused], report.to_reconfirm) == ([2], 1)
    db.session.rollback()
    with time_machine.travel(clock.now() + timedelta(hours=2)):
        town.sign_up(MARA, newsletters="daily", topics="music")
        assert "You are subscribed" in town.confirm(MARA)
        town.issue("A third thing")
        assert "A third thing" in town.mails(MARA)[-1]["Subject"]
    assert town.mails("new@readers.example") == []


def _change(*, refused: bool, sentence: str = "I agree to anything"):
    """Rewrite the first line of the second reader's chain; not refused only to who takes the guard away."""
    db.session.rollback()
    with db.extension.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            name = "consent_record_no_update"
            give = connection.scalar(text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": name})
            take = f"DROP TRIGGER {name}"
        else:
            take, give = (f"ALTER TABLE consent_record {act} TRIGGER USER" for act in ("DISABLE", "ENABLE"))
        statement = text("UPDATE consent_record SET sentence = :sentence WHERE subscriber_id = 2 AND number = 1")
        if refused:
            with pytest.raises(Exception, match="never changed"):
                connection.execute(statement, {"sentence": sentence})
            connection.rollback()
            return
        connection.execute(text(take))
        connection.execute(statement, {"sentence": sentence})
        connection.execute(text(give))
        connection.commit()


def _dump() -> str:
    db.session.rollback()
    with db.extension.engine.connect() as connection:
        rows = [list(row) for table in TABLES.sorted_tables for row in connection.execute(select(table))]
    return json.dumps(rows, default=str, ensure_ascii=False).lower()
