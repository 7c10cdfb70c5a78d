"""What can be done with people; no HTTP."""

from uuid import UUID

from fourpoint_core.domain.access import Caller, clean_user_name
from fourpoint_core.errors import InvalidInputError
from fourpoint_core.store.models import User
from fourpoint_core.store.queries import users
from fourpoint_core.store.queries.paging import Keyset, Page
from fourpoint_core.store.session import Sessions, reading, unit_of_work


def create(sessions: Sessions, name: str, *, is_admin: bool, issuer: str, subject: str | None) -> User:
    """Add a person.

    issuer: the identity provider; empty where there is none. Raises NameTakenError or InvalidInputError.
    """
    if subject is not None and not issuer:
        raise InvalidInputError.at(
            "/oidc_subject", "no_identity_provider", "This service knows no identity provider; leave it out."
        )
    identity = None if subject is None else (issuer, subject)
    with unit_of_work(sessions) as session:
        return users.add_user(session, clean_user_name(name), is_admin=is_admin, identity=identity)


def read(sessions: Sessions, user_id: UUID) -> User:
    """A person. Raises NotFoundError."""
    with reading(sessions) as session:
        return users.get_user(session, user_id)


def listing(sessions: Sessions, after: Keyset | None, limit: int) -> Page[User]:
    """A page of people."""
    with reading(sessions) as session:
        return users.list_users(session, after, limit)


def change(
    sessions: Sessions,
    caller: Caller,
    user_id: UUID,
    *,
    name: str | None,
    is_admin: bool | None,
    is_disabled: bool | None,
) -> User:
    """Rename, promote, shut out or let in again.

    Raises NotFoundError, NameTakenError, LastAdminError or InvalidInputError.
    """
    with unit_of_work(sessions) as session:
        user = users.get_user(session, user_id)
        wanted = None if name is None else clean_user_name(name)
        if is_admin is False or is_disabled:
            users.require_another_admin(session, user_id, caller.user_id)
        return users.change_user(session, user, name=wanted, is_admin=is_admin, is_disabled=is_disabled)
