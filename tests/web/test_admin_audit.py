"""The audit log on the desk and the command line: everything that was changed, found again, and safe to take along."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter import db, spreadsheet
from newsletter.staff import audit
from newsletter.staff.models import Role
from tests.conftest import both_engines
from tests.web import desk

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1")


@pytest.fixture
def csrf(client, room):
    return desk.log_in(client, Role.PUBLISHER)


def _log() -> None:
    ida, noor = "ida@magazine.example", "noor@magazine.example"
    audit.record(ida, "words changed", "issue 42", before={"subject": ""}, after={"subject": "Größer"})
    before, after = {"at": "07:00", "days": ["mon"]}, {"at": "08:00", "days": ["mon", "tue"]}
    audit.record(noor, "newsletter changed", "newsletter daily", before=before, after=after)
    audit.record(
        "command line", "editor_invited", "editor 3", after={"active": True, "at": "2026-11-26T06:00:00+01:00"}
    )
    db.session.commit()


def _read(sheet: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(sheet.removeprefix("\ufeff"), newline="")))


@both_engines
def test_every_line_says_who_when_what_and_what_was_there_before(client, csrf):
    _log()
    page = client.get("/admin/audit").text
    order = [page.index(said) for said in ("editor invited", "newsletter changed", "words changed")]
    assert order == sorted(order), "newest first"
    for said in (
        "ida@magazine.example",
        "(UTC)",
        "mon, tue",
        "Größer",
        "<dt>active</dt>",
        "26 November 2026 05:00 UTC",
    ):
        assert said in page, said
    assert 'href="/admin/issues/42"' in page
    assert 'href="/admin/newsletters/daily"' in page


@both_engines
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("who=IDA", {"words changed"}),
        ("what=changed", {"words changed", "newsletter changed"}),
        ("what=issue 42", {"words changed"}),
        ("what=editor invited", {"editor invited"}),
        ("words=Größer", {"words changed"}),
        ("words=08:00", {"newsletter changed"}),
        ("who=noor&words=07:00&what=daily", {"newsletter changed"}),
        ("who=%25", set()),
        ("words=nowhere", set()),
    ],
)
def test_lines_are_found_by_who_what_and_words(client, csrf, query, found):
    _log()
    page = client.get(f"/admin/audit?{query}").text
    assert {name for name in ("words changed", "newsletter changed", "editor invited") if f">{name}<" in page} == found
    assert ("No line like that" in page) == (not found)


def test_older_lines_are_walked_by_number_and_keep_the_search(client, csrf):
    for number in range(120):
        audit.record("ida@magazine.example", f"change {number}", "feed 1")
    audit.record("scheduler", "held", "issue 1")
    db.session.commit()
    seen, path = [], "/admin/audit?who=ida"
    while path:
        page = client.get(path).text
        seen += [int(part.split("<")[0]) for part in page.split(">change ")[1:]]
        path = (
            page.split('class="button" href="')[1].split('"')[0].replace("&amp;", "&") if "Older lines" in page else ""
        )
    assert seen == list(range(119, -1, -1))


def test_what_was_typed_into_the_log_is_shown_and_never_run(client, csrf):
    audit.record(
        "x",
        "<script>alert(1)</script>",
        "issue 1/../../logout",
        after={"at": "2026-99-99T00:00+00:00", "<b>": "\"'><img src=x>" + "y" * 300},
    )
    db.session.commit()
    page = client.get("/admin/audit?words=<script>").text + client.get("/admin/audit").text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert 'href="/admin/issues/1' not in page


@both_engines
def test_the_table_holds_every_line_that_fits_and_no_cell_is_a_formula(client, csrf):
    _log()
    for formula in FORMULAS:
        audit.record(formula, "said", formula, after={"value": formula})
    db.session.commit()
    answer = client.get("/admin/audit.csv")
    assert (answer.mimetype, "attachment" in answer.headers["Content-Disposition"]) == ("text/csv", True)
    header, *rows = _read(answer.text)
    assert header == ["number", "at", "who", "what", "subject", "before", "after"]
    assert len(rows) == len(FORMULAS) + 3
    assert not [cell for row in rows for cell in row if cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert json.loads(rows[-2][6]) == {"at": "08:00", "days": ["mon", "tue"]}
    assert [row[3] for row in _read(client.get("/admin/audit.csv?who=noor").text)[1:]] == ["newsletter changed"]


@given(st.text())
def test_any_cell_comes_back_as_it_was_but_for_one_mark_before_a_formula(text):
    shown = spreadsheet.safe(text)
    assert shown in (text, f"'{text}")
    assert not shown.lstrip(" ").startswith(
        ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
    )


def test_the_command_finds_and_writes_the_same(app, csrf, tmp_path):
    _log()
    runner = app.test_cli_runner()
    lines = runner.invoke(args=["newsletter", "audit", "--what", "daily"]).output
    assert (
        "noor@magazine.example  newsletter changed, newsletter daily  at: 07:00 -> 08:00; days: mon -> mon, tue"
        in lines
    )
    (entry,) = json.loads(runner.invoke(args=["newsletter", "audit", "--who", "ida", "--json"]).output)["entries"]
    assert (entry["what"], entry["after"]) == ("words changed", {"subject": "Größer"})
    sheet = tmp_path / "log.csv"
    assert runner.invoke(args=["newsletter", "audit", "--csv", str(sheet)]).output == f"3 lines in {sheet}.\n"
    assert len(_read(sheet.read_text(encoding="utf-8"))) == 4
    db.session.rollback()


def test_an_empty_log_says_what_will_stand_there(client, csrf):
    assert "Nothing has been changed yet" in client.get("/admin/audit").text
