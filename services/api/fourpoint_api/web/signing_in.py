"""Whom a request's `Authorization` stands for; no Flask.

Answers are kept for some seconds, so that a person at work costs a query now and then and not with every
request. A token that is revoked, and a person who is shut out, may go on for that long.
"""

import threading
import time
from datetime import UTC, datetime
from uuid import UUID

from fourpoint_api.settings import ApiSettings, Auth
from fourpoint_api.web.image_signatures import ImageSignature
from fourpoint_api.web.oidc import Identity, Verifier
from fourpoint_core.actors import Actor, Via, acting
from fourpoint_core.domain.access import TOKEN_PREFIX, Caller, Scope
from fourpoint_core.errors import TokenInvalidError, UnauthenticatedError
from fourpoint_core.ids import LOCAL_USER_ID
from fourpoint_core.logs import request_id_var
from fourpoint_core.store.models import User
from fourpoint_core.store.queries import audit, tokens, users
from fourpoint_core.store.session import Sessions, preparation, reading, unhurried_commit, unit_of_work

LOCAL = Caller(LOCAL_USER_ID, "local", True, Scope.ADMIN)
# Longer than any token of ours, and than the access tokens of identity providers.
MAX_TOKEN_LENGTH = 16 * 1024
MAX_KEPT = 10_000
# The second as Django's world has it, and with it the tools that our drop-in addresses are for.
_SCHEMES = frozenset({"bearer", "token"})


class SignIn:
    """Tells callers from their tokens; one a process."""

    def __init__(self, settings: ApiSettings, sessions: Sessions):
        self._settings = settings
        self._sessions = sessions
        self._kept = _Kept(settings.auth_cache_seconds)
        self._noted: set[str] = set()
        self._verifier = Verifier(settings) if settings.oidc_issuer else None

    def caller(self, authorization: str | None, address: str | None = None) -> Caller:
        """Who sends a request with this `Authorization` from this address; whoever is new today is noted.

        Raises UnauthenticatedError, TokenInvalidError or IdentityProviderUnavailableError.
        """
        if self._settings.auth is Auth.OFF:
            return LOCAL
        if not authorization:
            raise UnauthenticatedError("Send a token: `Authorization: Bearer <token>`.")
        token = token_in(authorization)
        if token is None:
            raise TokenInvalidError("Send the token as `Authorization: Bearer <token>`.")
        digest = tokens.digest_of(token)
        caller = self._kept.get(digest) or self._kept.put(digest, self._recognise(token))
        self._note_sign_in(caller, digest, address)
        return caller

    def caller_of(self, signature: ImageSignature) -> Caller:
        """Who had an address signed, with a token's scope that reads. Raises TokenInvalidError."""
        if self._settings.auth is Auth.OFF:
            return LOCAL
        known_as = f"{signature.user_id} {signature.token_id} {signature.acts_as_admin}"
        return self._kept.get(known_as) or self._kept.put(known_as, self._still_there(signature))

    def _still_there(self, signature: ImageSignature) -> Caller:
        with reading(self._sessions) as session:
            user = tokens.find_bearer(session, signature.user_id, signature.token_id)
        if user is None:
            raise TokenInvalidError("Who had this address signed is shut out, or has revoked the token.")
        # Who is an admin by their identity provider alone is one for as long as the signature lasts.
        is_admin = signature.acts_as_admin and (user.is_admin or signature.token_id is None)
        scope = Scope.ADMIN if is_admin else Scope.READ
        return Caller(user.id, user.name, is_admin, scope, signature.token_id, signature.expires_at)

    def _recognise(self, token: str) -> Caller:
        if not token.startswith(TOKEN_PREFIX):
            return self._recognise_identity(token)
        with reading(self._sessions) as session:
            found = tokens.find_caller(session, token)
        if found is None:
            raise TokenInvalidError("The token is unknown, expired or revoked, or its user is disabled.")
        caller, use_is_unnoted = found
        if use_is_unnoted and caller.token_id is not None:
            self._note_use(caller.token_id)
        return caller

    def _recognise_identity(self, token: str) -> Caller:
        if self._verifier is None:
            raise TokenInvalidError(f"Send a token of this service; it begins with {TOKEN_PREFIX!r}.")
        identity = self._verifier.identity(token)
        user = self._user_of(identity)
        if user.disabled_at is not None:
            raise TokenInvalidError("The user is disabled; ask an admin.")
        is_admin = user.is_admin or identity.is_admin
        scope = Scope.ADMIN if is_admin else Scope.MANAGE
        return Caller(user.id, user.name, is_admin, scope, token_expires_at=identity.expires_at)

    def _user_of(self, identity: Identity) -> User:
        issuer = self._settings.oidc_issuer
        with unit_of_work(self._sessions) as session:
            user = users.find_by_identity(session, issuer, identity.subject)
            if user is None and self._settings.oidc_sign_up:
                user = users.sign_up(session, issuer, identity.subject, identity.name)
        if user is None:
            raise TokenInvalidError(
                "The identity provider knows you, and this service does not; ask an admin to add you."
            )
        return user

    def _note_sign_in(self, caller: Caller, digest: str, address: str | None) -> None:
        """Write into the audit log who comes with which token from where; once a day, by all processes."""
        once = f"{digest} {address} {datetime.now(UTC):%Y-%m-%d}"
        if once in self._noted:
            return
        way = "identity provider" if caller.token_id is None else "token"
        actor = Actor(
            Via.API,
            caller.user_id,
            token_id=caller.token_id,
            address=address,
            request_id=request_id_var.get(),
        )
        with acting(actor), preparation(self._sessions) as session:
            audit.add(session, "user", "signed_in", caller.user_id, details={"with": way}, once=once)
        if len(self._noted) >= MAX_KEPT:
            self._noted.clear()
        self._noted.add(once)

    def _note_use(self, token_id: UUID) -> None:
        with unhurried_commit(self._sessions) as session:
            tokens.note_use(session, token_id)


def token_in(authorization: str) -> str | None:
    """The token, however scheme and spaces around it are written; None where there is none that may be one."""
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    is_one = scheme.lower() in _SCHEMES and token.isascii() and 0 < len(token) <= MAX_TOKEN_LENGTH
    return token if is_one else None


class _Kept:
    """Callers by the digest of their token, each for some seconds."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._lock = threading.Lock()
        self._callers: dict[str, tuple[float, Caller]] = {}

    def get(self, digest: str) -> Caller | None:
        """Who was recognised a moment ago, if nothing has run out since."""
        until, caller = self._callers.get(digest, (0.0, None))
        return caller if time.monotonic() < until else None

    def put(self, digest: str, caller: Caller) -> Caller:
        """Remember, for as long as the token is good at most."""
        seconds = self._seconds
        if caller.token_expires_at is not None:
            seconds = min(seconds, caller.token_expires_at.timestamp() - time.time())
        with self._lock:
            if len(self._callers) >= MAX_KEPT:
                # They cost a query each to come back; a list in order of use would cost every request.
                self._callers.clear()
            self._callers[digest] = (time.monotonic() + seconds, caller)
        return caller
