"""What can be done with tokens; no HTTP."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from fourpoint_core.domain.access import Caller, Scope, require_scope_of
from fourpoint_core.errors import InsufficientScopeError, InvalidInputError, NotFoundError
from fourpoint_core.store.models import ApiToken
from fourpoint_core.store.queries import tokens, users
from fourpoint_core.store.queries.paging import Keyset, Page
from fourpoint_core.store.session import Sessions, reading, unit_of_work


def create(
    sessions: Sessions, caller: Caller, user_id: UUID | None, name: str, scope: Scope, days: int, longest: int
) -> tuple[ApiToken, str]:
    """Make a token; returns its row and the secret.

    days: how long it lives, at most `longest`. Raises NotFoundError, InsufficientScopeError or
    InvalidInputError.
    """
    if days > longest:
        raise InvalidInputError.at(
            "/expires_in_days", "lifetime_too_long", f"Tokens live for {longest} days at most."
        )
    if not caller.scope.includes(scope):
        raise InsufficientScopeError(
            f"Your token is for {caller.scope.value!r}; it cannot make one for more.", scope.value
        )
    with unit_of_work(sessions) as session:
        user = users.get_user(session, _whose(caller, user_id))
        require_scope_of(user.name, scope, is_admin=user.is_admin)
        lifetime = _within_own(caller, timedelta(days=days))
        return tokens.add_token(session, user.id, name, scope, lifetime)


def listing(
    sessions: Sessions, caller: Caller, user_id: UUID | None, after: Keyset | None, limit: int
) -> Page[ApiToken]:
    """A page of somebody's tokens. Raises NotFoundError."""
    with reading(sessions) as session:
        return tokens.list_tokens(session, _whose(caller, user_id), after, limit)


def revoke(sessions: Sessions, caller: Caller, token_id: UUID) -> None:
    """End a token now. Raises NotFoundError, also for those of others."""
    with unit_of_work(sessions) as session:
        token = tokens.get_token(session, token_id)
        if token.user_id != caller.user_id and not caller.acts_as_admin:
            raise NotFoundError(f"There is no token {token_id}.")
        tokens.revoke(session, token_id)


def _whose(caller: Caller, user_id: UUID | None) -> UUID:
    if user_id is None or user_id == caller.user_id:
        return caller.user_id
    if not caller.acts_as_admin:
        raise NotFoundError(f"There is nothing of {user_id} that you may see.")
    return user_id


def _within_own(caller: Caller, lifetime: timedelta) -> timedelta:
    # Else who finds a token that ends tomorrow makes one that ends next year, and revoking is in vain.
    # Access tokens of an identity provider live for minutes, and who signs in there may well make one.
    if caller.token_expires_at is None or caller.token_id is None or caller.acts_as_admin:
        return lifetime
    return min(lifetime, caller.token_expires_at - datetime.now(UTC))
