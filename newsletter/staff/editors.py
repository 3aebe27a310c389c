"""The people who work here: how they come in and what they are."""

import email.utils
import secrets
from datetime import datetime

import email_validator
from sqlalchemy import select, update

from newsletter import clock, db, errors, settings, signing
from newsletter.staff import passwords, recovery, roles, totp
from newsletter.staff.models import Editor, EditorSession, Role, SetupLink
from newsletter.staff.roles import Action

_PURPOSE = "setup"
_LONGEST_NAME = 100


def add(address: str, role: Role, name: str = "") -> tuple[Editor, str]:
    """Add an editor; the token of their one-time link is told here and kept nowhere. Raises BadInput.

    One who works here already keeps name and role and gets a new link; one who had left comes back as given.
    """
    canonical = canonical_address(address)
    editor = find(canonical)
    if editor is None:
        editor = Editor(address=canonical, role=role, created_at=clock.now())
        rename(editor, name)
        db.session.add(editor)
    elif not editor.is_active:
        editor.is_active, editor.password_hash, editor.role = True, "", role
    db.session.flush()
    return editor, invite(editor)


def invite(editor: Editor) -> str:
    """The token of a new one-time link, which replaces every older one of this editor."""
    now, token = clock.now(), secrets.token_urlsafe(32)
    _use_up_links(editor.id)
    db.session.add(
        SetupLink(
            editor_id=editor.id,
            digest=signing.digests(_PURPOSE, token)[0],
            created_at=now,
            expires_at=now + settings.current().setup_lifetime,
        )
    )
    db.session.flush()
    return token


def open_setup(token: str) -> Editor:
    """Whose one-time link this is; raises BadToken when it is not ours, ExpiredToken when used, replaced or too old."""
    return _link(token).editor


def set_password(token: str, password: str) -> Editor:
    """Set the password of the link's editor, use the link up and end all their sessions; raises BadInput, BadToken.

    Commits before hashing, so that nothing waits for the hash: call it first.
    """
    passwords.check(password, address=open_setup(token).address)
    db.session.commit()
    hashed = passwords.hashed(password)
    editor = _link(token, lock=True).editor
    editor.password_hash = hashed
    _use_up_links(editor.id)
    end_sessions(editor.id)
    db.session.flush()
    return editor


def change_password(editor_id: int, password: str, *, besides: int) -> Editor:
    """Give an editor who is logged in another password and end their other sessions; raises BadInput.

    Commits before hashing, so that nothing waits for the hash: call it first.
    """
    passwords.check(password, address=get(editor_id).address)
    db.session.commit()
    hashed = passwords.hashed(password)
    editor = get(editor_id)
    editor.password_hash = hashed
    _use_up_links(editor.id)
    end_sessions(editor.id, besides=besides)
    db.session.flush()
    return editor


def change_role(editor: Editor, role: Role, *, by: int | None = None) -> None:
    """Give an editor another role and end their sessions; raises Conflict when no admin would be left, and when it is
    their own (`by` is the id of the editor who does it)."""
    if editor.id == by:
        raise errors.Conflict("Nobody changes their own role. Ask another admin.")
    if editor.role == Role.ADMIN and role != Role.ADMIN:
        _keep_an_admin(editor)
    editor.role = role
    end_sessions(editor.id)
    db.session.flush()


def deactivate(editor: Editor, *, by: int | None = None) -> None:
    """Let an editor go: sessions, links and codes end, what they did stays on record. Raises Conflict for the last
    admin, and for oneself (`by` is the id of the editor who does it)."""
    if editor.id == by:
        raise errors.Conflict("Nobody lets themselves go. Ask another admin.")
    if editor.role == Role.ADMIN:
        _keep_an_admin(editor)
    editor.is_active = False
    _use_up_links(editor.id)
    end_sessions(editor.id)
    # Who comes back one day comes with another phone.
    totp.turn_off(editor.id)
    recovery.forget(editor.id)
    db.session.flush()


def open_links() -> dict[int, datetime]:
    """Until when the one-time link of each editor works that was not used yet, by the editor's id."""
    unused = select(SetupLink).where(SetupLink.used_at.is_(None), SetupLink.expires_at > clock.now())
    return {link.editor_id: link.expires_at for link in db.session.scalars(unused)}


def rename(editor: Editor, name: str) -> None:
    """Give an editor another name; raises BadInput."""
    plain = " ".join(name.split())
    if len(plain) > _LONGEST_NAME:
        raise errors.BadInput(f"Please write at most {_LONGEST_NAME} characters.", field="name")
    editor.name = plain
    db.session.flush()


def all() -> list[Editor]:  # noqa: A001 - read as editors.all()
    """Every editor, those who left last."""
    return list(db.session.scalars(select(Editor).order_by(Editor.is_active.desc(), Editor.address)))


def who_may(action: Action) -> list[Editor]:
    """The active editors whose role allows this action."""
    active = db.session.scalars(select(Editor).filter_by(is_active=True).order_by(Editor.address))
    return [editor for editor in active if roles.allows(editor.role, action)]


def find(address: str) -> Editor | None:
    """The editor of an address in any spelling, or None."""
    try:
        canonical = canonical_address(address)
    except errors.BadInput:
        return None
    return db.session.scalars(select(Editor).filter_by(address=canonical)).first()


def get(editor_id: int) -> Editor:
    """The editor of an id; raises NotFound."""
    editor = db.session.get(Editor, editor_id)
    if editor is None:
        raise errors.NotFound("There is no such editor.")
    return editor


def first_setup_token() -> str | None:
    """The token of a one-time link for the first admin, a new one each time, until somebody has set a password.

    There is no default account: the first admin bears the magazine's own sender address and no password.
    """
    active = select(Editor).where(Editor.is_active)
    if db.session.scalars(active.where(Editor.password_hash != "").limit(1)).first():
        return None
    admin = db.session.scalars(active.filter_by(role=Role.ADMIN).order_by(Editor.id).limit(1)).first()
    if admin is not None:
        return invite(admin)
    _name, address = email.utils.parseaddr(settings.current().sender)
    return add(address, Role.ADMIN)[1]


def end_sessions(editor_id: int, *, besides: int = 0) -> None:
    """End every session of an editor, or all but one; harmless twice."""
    living = update(EditorSession).filter_by(editor_id=editor_id, ended_at=None).where(EditorSession.id != besides)
    db.session.execute(living.values(ended_at=clock.now()))


def canonical_address(address: str) -> str:
    """The one spelling by which an editor's address is known; raises BadInput."""
    try:
        return email_validator.validate_email(address.strip(), check_deliverability=False).normalized.lower()
    except email_validator.EmailNotValidError:
        raise errors.BadInput("Please write the address like name@magazine.example.", field="address") from None


def _link(token: str, *, lock: bool = False) -> SetupLink:
    statement = select(SetupLink).where(SetupLink.digest.in_(signing.digests(_PURPOSE, token)))
    link = db.session.scalars(statement.with_for_update() if lock else statement).first()
    if link is None:
        raise errors.BadToken("This link is not complete or not ours. Please ask an admin for a new one.")
    if link.used_at is not None or not link.editor.is_active:
        raise errors.ExpiredToken("This link has been used or replaced. Log in, or ask an admin for a new one.")
    if link.expires_at <= clock.now():
        raise errors.ExpiredToken("This link is too old. Please ask an admin for a new one.")
    return link


def _use_up_links(editor_id: int) -> None:
    db.session.execute(update(SetupLink).filter_by(editor_id=editor_id, used_at=None).values(used_at=clock.now()))


def _keep_an_admin(leaving: Editor) -> None:
    others = select(Editor.id).where(Editor.is_active, Editor.role == Role.ADMIN, Editor.id != leaving.id)
    # Locked, so that two admins cannot remove each other at the same moment.
    if not db.session.scalars(others.with_for_update()).all():
        raise errors.Conflict("Somebody has to stay admin. Make another editor admin first.")
