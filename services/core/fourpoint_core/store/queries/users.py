"""People."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fourpoint_core.domain.access import told_apart
from fourpoint_core.errors import LastAdminError, NameTakenError, NotFoundError
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.store.models import User
from fourpoint_core.store.queries.paging import Keyset, Page, fetch_page


def add_user(
    session: Session, name: str, *, is_admin: bool = False, identity: tuple[str, str] | None = None
) -> User:
    """Add a person. identity: issuer and subject at an identity provider. Raises NameTakenError."""
    issuer, subject = identity or (None, None)
    row: User | None = session.scalar(
        insert(User)
        .values(id=new_id(), name=name, is_admin=is_admin, oidc_issuer=issuer, oidc_subject=subject)
        .on_conflict_do_nothing()
        .returning(User)
    )
    if row is None:
        raise NameTakenError(f"There is already a user named {name!r}, or with this identity.")
    return row


def get_user(session: Session, user_id: UUID) -> User:
    """Read a person. Raises NotFoundError."""
    user = session.get(User, user_id)
    if user is None:
        raise NotFoundError(f"There is no user {user_id}.")
    return user


def find_by_name(session: Session, name: str) -> User | None:
    """The person of that name, if there is one."""
    return session.scalar(select(User).where(User.name == name))


def find_by_identity(session: Session, issuer: str, subject: str) -> User | None:
    """The person whom an identity provider means."""
    return session.scalar(select(User).where(User.oidc_issuer == issuer, User.oidc_subject == subject))


def sign_up(session: Session, issuer: str, subject: str, name: str) -> User:
    """The person whom an identity provider means, whom nobody has seen here before.

    name: what the provider says; with something behind it where somebody else has it.
    """
    user_id = new_id()
    for wanted in (name, told_apart(name, user_id)):
        values = {"id": user_id, "name": wanted, "oidc_issuer": issuer, "oidc_subject": subject}
        made: User | None = session.scalar(insert(User).values(values).on_conflict_do_nothing().returning(User))
        # Nothing was made: the name is somebody's, or this person's other request was quicker.
        found = made or find_by_identity(session, issuer, subject)
        if found is not None:
            return found
    raise NameTakenError(f"There is already a user named {name!r}.")


def require_another_admin(session: Session, user_id: UUID, by: UUID) -> None:
    """Check that somebody is left who lets people in, before this person stops being an admin or is shut out.

    by: who wants it. The built-in user counts for itself alone: with accounts nobody signs in as that one.
    Raises LastAdminError.
    """
    # All of them are held, in one order: of two admins who demote each other, one stays.
    admins = session.scalars(
        select(User.id)
        .where(User.is_admin, User.disabled_at.is_(None))
        .order_by(User.id)
        .with_for_update(key_share=True)
    ).all()
    others = set(admins) - {user_id} - ({LOCAL_USER_ID} - {by})
    if user_id in admins and not others:
        raise LastAdminError("This is the last admin; make somebody else an admin first.")


def list_users(session: Session, after: Keyset | None, limit: int) -> Page[User]:
    """A page of people, oldest first."""
    return fetch_page(session, select(User), User, after, limit)


def all_users(session: Session) -> Sequence[User]:
    """Everybody, oldest first."""
    return session.scalars(select(User).order_by(User.created_at, User.id)).all()


def change_user(
    session: Session,
    user: User,
    *,
    name: str | None = None,
    is_admin: bool | None = None,
    is_disabled: bool | None = None,
) -> User:
    """Rename, promote, shut out or let in again; None leaves as it is. Raises NameTakenError."""
    disabled_at = {None: User.disabled_at, True: func.coalesce(User.disabled_at, func.clock_timestamp())}
    statement = (
        update(User)
        .where(User.id == user.id)
        .values(
            name=user.name if name is None else name,
            is_admin=user.is_admin if is_admin is None else is_admin,
            disabled_at=disabled_at.get(is_disabled),
        )
        .returning(User)
    )
    try:
        return session.scalars(statement, execution_options={"populate_existing": True}).one()
    except IntegrityError as error:
        raise NameTakenError(f"There is already a user named {name!r}.") from error
