"""Who changed what: searched, read with before and after, taken along as a table."""

import re
from typing import Any

from flask import Blueprint, Response, render_template, request, stream_with_context, url_for

from newsletter.publication import newsletters
from newsletter.staff import audit, audit_sheet, editors
from newsletter.staff.roles import Action
from newsletter.web.admin import access

blueprint = Blueprint("desk_audit", __name__, url_prefix="/admin")


@blueprint.get("/audit")
@access.needs(Action.AUDIT)
def show() -> str:
    """The list, newest first."""
    search = _search()
    found = audit.page(search, before=request.args.get("before", type=int))
    return render_template(
        "admin/audit.html",
        entries=[(entry, audit.changes(entry), _place(entry.subject)) for entry in found],
        search=search,
        asked=_asked(search),
        people=[each.address for each in editors.all()],
        zone=newsletters.zone(),
        older=found[-1].id if len(found) == audit.PAGE else None,
    )


@blueprint.get("/audit.csv")
@access.needs(Action.AUDIT)
def export() -> Response:
    """Every line that fits the search, as a table for spreadsheets."""
    response = Response(stream_with_context(audit_sheet.lines(_search())), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="audit-log.csv"'
    return response


def _search() -> audit.Search:
    given = {name: request.args.get(name, "").strip()[:200] for name in ("who", "what", "words")}
    return audit.Search(**given)


def _asked(search: audit.Search) -> dict[str, str]:
    """The search as it stands in an address."""
    return {name: value for name, value in vars(search).items() if value}


def _place(subject: str) -> str:
    """The page of what a line is about, or nothing."""
    kind, _, name = subject.partition(" ")
    endpoints: dict[str, tuple[str, str, type]] = {
        "issue": ("desk_issue.show", "issue_id", int),
        "reader": ("desk_readers.show_one", "reader_id", int),
        "newsletter": ("desk_newsletters.edit", "slug", str),
    }
    if kind not in endpoints or not re.fullmatch(r"[a-z0-9-]{1,100}", name):
        return ""
    endpoint, parameter, type_ = endpoints[kind]
    if type_ is int and not (name.isdigit() and len(name) < 19):
        return ""
    values: dict[str, Any] = {parameter: type_(name)}
    return url_for(endpoint, **values)
