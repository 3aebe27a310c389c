"""Wrong after the approval, as an editor meets it on the desk."""

import json
import re

import pytest
from sqlalchemy import select

from newsletter import db
from newsletter.articles.models import Article
from newsletter.issues import amending
from newsletter.issues.models import Issue
from newsletter.staff.models import Role
from tests.web import desk

LAMP = desk.HEADLINES[0][1]
WHY = "The museum says that it was never shown there."


@pytest.fixture
def csrf(client, room):
    desk.magazine()
    return desk.log_in(client, Role.EDITOR)


def post(client, csrf, path, **fields):
    answer = client.post(path, data={"csrf": csrf, **fields})
    return answer, client.get(answer.location).text if answer.status_code == 303 else answer.text


def hidden(page, name):
    return re.search(rf'name="{name}"[^>]* value="([^"]+)"', page)[1]


def lamp():
    return db.session.scalars(select(Article.id).filter_by(headline=LAMP)).one()


def test_a_withdrawn_article_is_gone_on_without_after_its_issues_were_named(client, csrf):
    daily, weekly = desk.issue("daily", "approved"), desk.issue("weekly")
    path = f"/admin/articles/{lamp()}/withdrawal"
    assert "The Daily 1 approved" in client.get(path).text
    assert "The Weekly 1 draft" in client.get(path).text
    answer, page = post(client, csrf, path, reason=" ")
    assert (answer.status_code, "Say why in a sentence" in page) == (422, True)
    answer, page = post(client, csrf, path, reason=WHY)
    assert answer.location.startswith(f"/admin/issues/{daily}")
    assert "The Daily 1 waits for you." in page
    assert WHY in page
    assert LAMP not in client.get(f"/admin/issues/{weekly}").text
    answer, page = post(client, csrf, f"/admin/issues/{daily}/going-on", version=hidden(page, "version"))
    assert "It needs a new approval." in page
    assert LAMP not in page
    assert post(client, csrf, f"/admin/issues/{daily}/going-on")[0].status_code == 409
    assert post(client, csrf, path, reason=WHY)[0].status_code == 409


def test_a_correction_in_mid_send_is_seen_approved_and_told_to_those_who_had_it(client, csrf, app):
    daily = desk.issue("daily", "sending")
    article = lamp()
    path = f"/admin/articles/{article}"
    page = client.get(path).text
    fields = {name: hidden(page, name) for name in ("seen", "url")} | {"headline": "A lamp that folds", "reason": WHY}
    _, page = post(client, csrf, f"{path}/words", **fields)
    assert "The article is corrected. The Daily 1 waits for you." in page
    stale, kept = post(client, csrf, f"{path}/words", **fields | {"headline": "Mine"})
    assert (stale.status_code, 'value="Mine"' in kept) == (409, True)
    page = client.get(f"/admin/issues/{daily}").text
    assert f"<del>{LAMP}</del> <ins>A lamp that folds</ins>" in page
    assert "Resume<" not in page
    assert "<dt>not yet</dt><dd>5</dd>" in client.get(f"{path}/issues/{daily}/reach").text
    assert post(client, csrf, f"/admin/issues/{daily}/resume")[0].status_code == 409
    seen = hidden(page, "hash")
    assert post(client, csrf, f"/admin/issues/{daily}/correction", hash="another")[0].status_code == 409
    _, page = post(client, csrf, f"/admin/issues/{daily}/correction", hash=seen, then="resume")
    assert "being changed" in page
    db.session.rollback()
    assert amending.carry_out(daily)
    assert client.get(f"/admin/issues/{daily}/correction").text.count("changed") == 1
    _, page = post(client, csrf, f"{path}/issues/{daily}/note")
    assert "A note to those who had an article" in page
    assert "It needs its subject and its text first." in page
    made = app.test_cli_runner().invoke(
        args=["newsletter", "article", "note", str(article), str(daily), "--subject", "Sorry", "--text", "-", "--json"],
        input="It *folds*.\n",
    )
    assert json.loads(made.output)["readers"] == 5


def test_a_writer_corrects_what_stands_in_drafts_alone(client, csrf):
    token = desk.log_in(client, Role.WRITER)
    weekly = desk.issue("weekly")
    path = f"/admin/articles/{lamp()}"
    page = client.get(path).text
    fields = {name: hidden(page, name) for name in ("seen", "url")}
    _, page = post(client, token, f"{path}/words", headline="A lamp", **fields)
    assert "The article is corrected." in page
    assert "no feed overwrites them" in page
    _, page = post(client, token, f"{path}/words/release")
    assert "come back with its next fetch" in page
    assert "A lamp" in client.get(f"/admin/issues/{weekly}").text
    db.session.rollback()
    desk.issue("daily", "approved")
    page = client.get(path).text
    assert "An editor corrects it." in page
    answer, _ = post(client, token, f"{path}/words", headline="Another", **fields | {"seen": ""})
    assert answer.status_code == 403
    db.session.rollback()
    assert db.session.get_one(Issue, weekly).state == "draft"
