"""Commands for the people who work here."""

import click
from flask.cli import AppGroup

from newsletter import errors, settings
from newsletter.cli.answers import ACTOR, Answer, add, counted
from newsletter.staff import audit, editors, entrance, sessions, totp
from newsletter.staff.models import Editor, Role

_ADDRESS = click.argument("address")
_ROLES = click.Choice([each.value for each in Role])


def register(group: AppGroup) -> None:
    """Add the commands to the group."""
    editor = AppGroup("editor", help="The people who work here.")
    codes = AppGroup("totp", help="Their two-step login.")
    group.add_command(editor)
    editor.add_command(codes)
    role = click.option("--role", type=_ROLES, default="editor", show_default=True)
    add(editor, "add", add_editor, _ADDRESS, role, click.option("--name", default=""))
    add(editor, "list", list_editors, reads=True)
    add(editor, "role", change_role, _ADDRESS, click.argument("role", type=_ROLES))
    add(editor, "remove", remove, _ADDRESS)
    add(editor, "log-out", log_out, _ADDRESS)
    add(codes, "reset", reset_codes, _ADDRESS)


def add_editor(*, address: str, role: str, name: str) -> Answer:
    """Add an editor, or make a new link for one; prints a one-time link."""
    editor, token = editors.add(address, Role(role), name=name)
    _note("editor_invited", editor, {}, {"role": role})
    link = f"{settings.current().base_url}/admin/setup/{token}"
    return Answer({"editor": editor.id, "role": editor.role, "link": link}, [f"{link}  (opens once)"])


def list_editors() -> Answer:
    """List the editors, those who left last."""
    with_codes = totp.who_has()
    found = editors.all()
    rows = [_row(each) | {"active": each.is_active, "totp": each.id in with_codes} for each in found]
    return Answer({"editors": rows}, [_line(each, each.id in with_codes) for each in found] or ["None."])


def change_role(*, address: str, role: str) -> Answer:
    """Give an editor another role; their sessions end."""
    editor = _find(address)
    before = editor.role.value
    editors.change_role(editor, Role(role))
    _note("editor's role changed", editor, {"role": before}, {"role": role})
    return Answer(_row(editor), [f"{editor.address} is {role} now."])


def remove(*, address: str) -> Answer:
    """End an editor's access at once; what they did stays on record."""
    editor = _find(address)
    editors.deactivate(editor)
    _note("editor let go", editor, {"active": True}, {"active": False})
    return Answer(_row(editor), [f"{editor.address} cannot log in any more."])


def log_out(*, address: str) -> Answer:
    """End every session of an editor."""
    editor = _find(address)
    count = len(sessions.of(editor.id))
    sessions.end_all(editor.id)
    _note("sessions ended", editor, {"sessions": count}, {"sessions": 0})
    return Answer(_row(editor) | {"ended": count}, [f"{counted(count, 'session')} ended."])


def reset_codes(*, address: str) -> Answer:
    """Take an editor's two-step login away, as when a phone is lost; their sessions end and they are told."""
    editor = _find(address)
    entrance.reset_codes(editor, by="The operator")
    _note("editor's two-step login reset", editor, {"on": True}, {"on": False})
    return Answer(_row(editor), [f"{editor.address} logs in with the password alone for now."])


def _find(address: str) -> Editor:
    editor = editors.find(address)
    if editor is None:
        raise errors.NotFound("No editor has this address.")
    return editor


def _note(action: str, editor: Editor, before: dict[str, object], after: dict[str, object]) -> None:
    audit.record(ACTOR, action, f"editor {editor.id}", before=before, after=after)


def _row(editor: Editor) -> dict[str, object]:
    return {"editor": editor.id, "address": editor.address, "name": editor.name, "role": editor.role}


def _line(editor: Editor, has_codes: bool) -> str:
    marks = [] if editor.is_active else ["has left"]
    marks += ["two-step login"] if has_codes else []
    return f"{editor.address:<40} {editor.role.value:<10} {', '.join(marks)}".rstrip()
