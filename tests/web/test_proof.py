"""The proof of consent at the desk and on the command line: one and the same document."""

import json

from newsletter import db
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
