"""The people of a database, for its operator: the admin of a stack, and what `fourpoint user|token` does."""

import contextlib
import getpass
import os
import socket
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from fourpoint_api.settings import ApiSettings
from fourpoint_core.actors import Actor, Via, acting
from fourpoint_core.domain.access import Scope, clean_user_name, require_scope_of
from fourpoint_core.errors import FourpointError
from fourpoint_core.store.models import ApiToken, User
from fourpoint_core.store.queries import tokens, users
from fourpoint_core.store.session import Session, sessions_for, unit_of_work, with_driver
from fourpoint_standalone import private
from fourpoint_standalone.processes import StandaloneError

ADMIN = "admin"
ADMIN_TOKEN = "admin-token"  # noqa: S105 - the name of a file
ADMIN_TOKEN_DAYS = 365
_LONGEST_LIFE = "FOURPOINT_MAX_TOKEN_DAYS"
# A stack that runs for weeks after its start is not to lose its admin meanwhile.
RENEW_BEFORE = timedelta(days=60)


@contextlib.contextmanager
def directory_of(database_url: str) -> Iterator[Session]:
    """A transaction on the people of a database. Raises StandaloneError, for a person to read."""
    sessions = sessions_for(create_engine(with_driver(database_url), poolclass=NullPool))
    try:
        with acting(operator()), unit_of_work(sessions) as session:
            yield session
    except FourpointError as error:
        raise StandaloneError(error.detail) from error


def operator() -> Actor:
    """Whoever runs the command, as the audit log calls them."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        # In a container, nobody may be called by the user's number.
        name = str(os.getuid())
    return Actor(Via.COMMAND_LINE, name=f"{name}@{socket.gethostname()}")


def ensure_admin(database_url: str, data_directory: Path) -> str | None:
    """The token of the stack's admin, kept in a private file; made where there is none that is good.

    None where that user was shut out, or is no admin any more: no token of theirs would open anything.
    """
    file = data_directory / ADMIN_TOKEN
    with directory_of(database_url) as session:
        known = file.read_text().strip() if file.exists() else ""
        if known and _is_good_for_long(session, known):
            return known
        admin = users.find_by_name(session, ADMIN) or users.add_user(session, ADMIN, is_admin=True)
        if admin.disabled_at is not None or not admin.is_admin:
            return None
        lifetime = timedelta(days=ADMIN_TOKEN_DAYS)
        _, secret = tokens.add_token(session, admin.id, "of the stack", Scope.ADMIN, lifetime)
    private.write_private(file, secret + "\n")
    return secret


def add_user(database_url: str, name: str, *, is_admin: bool) -> User:
    """Add a person."""
    with directory_of(database_url) as session:
        return users.add_user(session, clean_user_name(name), is_admin=is_admin)


def change_user(
    database_url: str, name: str, *, is_admin: bool | None = None, is_disabled: bool | None = None
) -> User:
    """Promote, demote, shut out or let in again."""
    with directory_of(database_url) as session:
        return users.change_user(
            session, _user_named(session, name), is_admin=is_admin, is_disabled=is_disabled
        )


def all_users(database_url: str) -> Sequence[User]:
    """Everybody, oldest first."""
    with directory_of(database_url) as session:
        return users.all_users(session)


def create_token(database_url: str, user: str, name: str, scope: Scope, days: int) -> tuple[ApiToken, str]:
    """Make a token; returns its row and the secret, which is shown this once.

    It lives no longer than FOURPOINT_MAX_TOKEN_DAYS says, as if it were made through the API.
    """
    longest = _longest_life()
    if days > longest:
        raise StandaloneError(f"Tokens live for {longest} days at most, by {_LONGEST_LIFE}; give fewer --days.")
    with directory_of(database_url) as session:
        owner = _user_named(session, user)
        require_scope_of(owner.name, scope, is_admin=owner.is_admin)
        return tokens.add_token(session, owner.id, name, scope, timedelta(days=days))


def tokens_of(database_url: str, user: str) -> Sequence[ApiToken]:
    """Somebody's tokens, oldest first; those that are over, too."""
    with directory_of(database_url) as session:
        return tokens.all_tokens(session, _user_named(session, user).id)


def revoke_token(database_url: str, token_id: UUID) -> None:
    """End a token now."""
    with directory_of(database_url) as session:
        tokens.revoke(session, tokens.get_token(session, token_id).id)


def _longest_life() -> int:
    text = os.environ.get(_LONGEST_LIFE, "").strip()
    if not text:
        return ApiSettings.max_token_days
    if not text.isdecimal() or int(text) == 0:
        raise StandaloneError(f"{_LONGEST_LIFE}: {text!r} is no number of days.")
    return int(text)


def _is_good_for_long(session: Session, secret: str) -> bool:
    found = tokens.find_caller(session, secret)
    if found is None or found[0].token_expires_at is None:
        return False
    expires_at = found[0].token_expires_at
    return found[0].acts_as_admin and expires_at - datetime.now(expires_at.tzinfo) > RENEW_BEFORE


def _user_named(session: Session, name: str) -> User:
    user = users.find_by_name(session, name)
    if user is None:
        raise StandaloneError(f"There is no user named {name!r}; `fourpoint user list` shows who there is.")
    return user
