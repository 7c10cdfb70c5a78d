"""API tokens, and whom a secret stands for."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from fourpoint_core.domain.access import TOKEN_PREFIX, Caller, Scope
from fourpoint_core.errors import NotFoundError
from fourpoint_core.ids import new_id
from fourpoint_core.store.models import ApiToken, User
from fourpoint_core.store.queries.paging import Keyset, Page, fetch_page

SECRET_BYTES = 32
# How far behind `last_used_at` may be.
NOTE_USE_EVERY = timedelta(minutes=5)
VALID: ColumnElement[bool] = ApiToken.revoked_at.is_(None) & (ApiToken.expires_at > func.clock_timestamp())


def digest_of(secret: str) -> str:
    """What is stored instead of a token: SHA-256, hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def add_token(
    session: Session, user_id: UUID, name: str, scope: Scope, lifetime: timedelta
) -> tuple[ApiToken, str]:
    """Make a token; returns its row and the secret, which nothing can tell again."""
    secret = TOKEN_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    token = ApiToken(
        id=new_id(),
        user_id=user_id,
        name=name,
        token_hash=digest_of(secret),
        scope=scope.value,
        expires_at=func.clock_timestamp() + lifetime,
    )
    session.add(token)
    session.flush()
    session.refresh(token)
    return token, secret


def find_caller(session: Session, secret: str) -> tuple[Caller, bool] | None:
    """Whom a token stands for, and whether its use should be noted; None when it opens nothing."""
    unnoted = or_(
        ApiToken.last_used_at.is_(None), ApiToken.last_used_at < func.clock_timestamp() - NOTE_USE_EVERY
    )
    row = session.execute(
        select(ApiToken, User, unnoted)
        .join(User, User.id == ApiToken.user_id)
        .where(ApiToken.token_hash == digest_of(secret), VALID, User.disabled_at.is_(None))
    ).one_or_none()
    if row is None:
        return None
    token, user, is_unnoted = row
    caller = Caller(user.id, user.name, user.is_admin, Scope(token.scope), token.id, token.expires_at)
    return caller, is_unnoted


def find_bearer(session: Session, user_id: UUID, token_id: UUID | None) -> User | None:
    """Who signed in, with a token or without, where neither the person nor that has been shut out since."""
    person = select(User).where(User.id == user_id, User.disabled_at.is_(None))
    if token_id is not None:
        person = person.join(ApiToken, ApiToken.user_id == User.id).where(ApiToken.id == token_id, VALID)
    return session.scalars(person).one_or_none()


def note_use(session: Session, token_id: UUID) -> None:
    """Remember that a token was used just now."""
    session.execute(update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=func.clock_timestamp()))


def get_token(session: Session, token_id: UUID) -> ApiToken:
    """A token's row. Raises NotFoundError."""
    token = session.get(ApiToken, token_id)
    if token is None:
        raise NotFoundError(f"There is no token {token_id}.")
    return token


def list_tokens(session: Session, user_id: UUID, after: Keyset | None, limit: int) -> Page[ApiToken]:
    """A page of somebody's tokens, oldest first; those that are over, too."""
    return fetch_page(session, select(ApiToken).where(ApiToken.user_id == user_id), ApiToken, after, limit)


def all_tokens(session: Session, user_id: UUID) -> Sequence[ApiToken]:
    """All of somebody's tokens, oldest first; those that are over, too."""
    order = (ApiToken.created_at, ApiToken.id)
    return session.scalars(select(ApiToken).where(ApiToken.user_id == user_id).order_by(*order)).all()


def revoke(session: Session, token_id: UUID) -> None:
    """End a token now; harmless when it is over already."""
    session.execute(
        update(ApiToken)
        .where(ApiToken.id == token_id, ApiToken.revoked_at.is_(None))
        .values(revoked_at=func.clock_timestamp())
    )
