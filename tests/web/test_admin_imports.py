"""Readers imported on the desk: a file larger than any other request, looked through, taken in, reported."""

import pytest

from newsletter import db
from newsletter.audience import imports
from newsletter.audience.models import ReaderImport, Subscriber
from newsletter.staff import audit
from newsletter.staff.models import Role
from tests.conftest import both_engines
from tests.web import desk

PATH = "/admin/readers/imports"


@pytest.fixture
def csrf(client, room):
    desk.magazine()
    return desk.log_in(client, Role.PUBLISHER)


def _bring(client, csrf, content, **fields):
    """A form as a browser sends it; the test client would leave a large one's temporary file open."""
    parts = [_part(f'name="{name}"', text.encode()) for name, text in {"csrf": csrf, **fields}.items()]
    parts.append(_part('name="file"; filename="readers.csv"', content))
    body = b"".join(parts) + b"--edge--\r\n"
    return client.post(PATH, data=body, content_type="multipart/form-data; boundary=edge")


def _part(described, content):
    return f"--edge\r\nContent-Disposition: form-data; {described}\r\n\r\n".encode() + content + b"\r\n"


@both_engines
def test_a_file_is_looked_through_taken_in_and_reported(client, csrf):
    people = db.session.query(Subscriber).count()
    db.session.commit()
    rows = b"email\nnora@readers.example\nreader2@readers.example\nnobody\n" + b"\n" * 3_000_000
    answer = _bring(client, csrf, rows, newsletters="weekly")
    assert answer.status_code == 303
    one = answer.location
    assert "Being looked through." in client.get(one).text
    assert 'data-state="checking"' in client.get(f"{one}/progress").text
    imports.work(1)
    page = client.get(one).text
    assert "Import 1 reader<" in page
    assert "nora@readers.example" in page
    assert "weekly:design" in page
    assert "This reader left on" in page
    assert db.session.query(Subscriber).count() == people
    db.session.commit()
    assert client.post(f"{one}/start", data={"csrf": csrf}).status_code == 303
    imports.work(1)
    page = client.get(one).text
    assert "What came of it" in page
    assert "nora@readers.example" not in page, "the report names nobody"
    assert db.session.query(Subscriber).count() == people + 1
    assert '"4","This does not look like a complete address.' in client.get(f"{one}/refused.csv").text
    assert client.post(f"{one}/start", data={"csrf": csrf}).status_code == 409
    (line,) = audit.of("import 1")
    assert (line.actor, line.after["new"], line.after["refused"]) == ("publisher@magazine.example", 1, 2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The first line must name the columns"),
        (b"name\nNora\n", "one must be email"),
        (b"email,x\n", "no column"),
    ],
)
def test_what_is_no_file_of_readers_is_refused_beside_its_field(client, csrf, content, said):
    answer = _bring(client, csrf, content)
    assert (answer.status_code, said in answer.text, 'id="f-file-problem"' in answer.text) == (422, True, True)
    assert db.session.query(ReaderImport).count() == 0


def test_a_large_body_is_read_only_from_who_may_import(client, app, csrf):
    rows = b"email\n" + b"\n" * 3_000_000
    editors = desk.log_in(app.test_client(), Role.EDITOR)
    other = app.test_client()
    for visitor, token, status in ((other, "", 413), (client, csrf, 303)):
        assert _bring(visitor, token, rows).status_code == status
    mine = app.test_client()
    desk.log_in(mine, Role.EDITOR)
    assert _bring(mine, editors, rows).status_code == 413
    assert client.post("/admin/texts", data={"csrf": csrf, "markdown": "x" * 3_000_000}).status_code == 413


def test_a_file_is_deleted_before_it_is_taken_in(client, csrf):
    one = _bring(client, csrf, b"email\nnora@readers.example\n").location
    assert client.post(f"{one}/discard", data={"csrf": csrf}).status_code == 409
    imports.work(1)
    assert client.post(f"{one}/discard", data={"csrf": csrf}).status_code == 303
    assert client.get(one).status_code == 404
