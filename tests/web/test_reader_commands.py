"""Commands about one reader: the proof, the same at the desk; and leaving by a mail that is piped in."""

import json

import sqlalchemy

from newsletter import db
from newsletter.audience import leaving_mail, reader_links
from newsletter.audience.reader_links import ReaderLink
from newsletter.publication import newsletters
from newsletter.staff.models import Role
from tests.audience import magazine
from tests.web import desk

ANA = "ana@readers.example"


def test_command_and_desk_give_the_same_document_and_the_same_data(app, client, room, tmp_path):
    magazine.found()
    magazine.ask()
    magazine.confirm()
    desk.log_in(client, Role.EDITOR)
    page, data = client.get("/admin/readers/1/proof"), client.get("/admin/readers/1/proof.json")
    db.session.rollback()
    ran = app.test_cli_runner().invoke(
        args=["newsletter", "subscriber", "proof", ANA, "--json", "--document", str(tmp_path / "proof.html")]
    )
    assert ran.exit_code == 0, ran.output
    assert (tmp_path / "proof.html").read_bytes() == page.data
    assert ran.stdout == data.text
    assert json.loads(data.text)["chain"]["is_whole"]
    # Its own style, and nothing else, is let in.
    assert "style-src 'sha256-" in page.headers["Content-Security-Policy"]


def test_a_mail_server_pipes_a_mail_into_a_command_that_leaves(app, room):
    magazine.found()
    magazine.ask()
    magazine.confirm()
    token = reader_links.token(ReaderLink(1, newsletters.get("daily").id))
    db.session.rollback()
    mail = f"From: <ana@readers.example>\nSubject: unsubscribe {token}\n\nPlease.\n"
    said = []
    for text in (mail, mail, "Subject: Out of office\n\nBack on Monday.\n"):
        ran = app.test_cli_runner().invoke(args=["newsletter", "unsubscribe-mail", "--json"], input=text)
        assert ran.exit_code == 0, ran.output
        said.append(json.loads(ran.stdout))
    assert said == [
        {"left": True, "already": False, "newsletter": "The Daily"},
        {"left": True, "already": True, "newsletter": "The Daily"},
        {"left": False},
    ]


def test_a_mail_that_cannot_be_read_into_the_database_is_kept_by_the_mail_server(app, room, monkeypatch):
    def fail(_raw):
        raise sqlalchemy.exc.OperationalError("SELECT", {}, Exception("no such host"))

    monkeypatch.setattr(leaving_mail, "read", fail)
    ran = app.test_cli_runner().invoke(args=["newsletter", "unsubscribe-mail"], input="Subject: unsubscribe x\n\n")
    assert (ran.exit_code, ran.stderr) == (75, "The database does not answer: no such host.\n")
